import {
  reshape,
  type Scalar,
  serialization,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tidy,
} from '@tensorflow/tfjs-core';
import { input, LayersModel, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { FastWeightAttention } from '../layers/fast_weight_attention';
import { GatedMlp } from '../layers/gated_mlp';
import { type CuSeqlens, PackedDocuments } from '../layers/packed_documents';
import { RmsNorm } from '../layers/rms_norm';
import { LanguageModelHead, TokenEmbedding } from '../layers/token_embedding';
import { softmaxCrossEntropy } from '../ops/softmax_cross_entropy';
import { type LanguageModelConfig, resolveLanguageModelConfig } from './language_model_config';
import { LanguageModelSession } from './language_model_session';
import { attentionOf, rotaryOf } from './model_attention';

/** How the tokens of a batch make up documents. */
export interface DocumentOptions {
  /**
   * Where documents that share a batch element begin and end, see {@link CuSeqlens}: each is read as
   * if it were alone. Left out, every batch element is one document.
   */
  cuSeqlens?: CuSeqlens;
}

/**
 * A language model: a tf.layers model from int32 ids [batch, tokens] to logits [batch, tokens,
 * vocabSize] that can also read a sequence call by call. `tf.loadLayersModel` gives one back.
 */
export class LanguageModel extends LayersModel {
  static override readonly className: string = 'FastWeightLanguageModel';

  /**
   * Sequences to be read call by call, from their beginning.
   *
   * @param batch how many, at least 1
   * @throws FastWeightError ERR_RANGE
   */
  startSession(batch = 1): LanguageModelSession {
    return LanguageModelSession.start(this, batch);
  }

  /**
   * The session that `session.save` wrote.
   *
   * @throws FastWeightError ERR_CHECKPOINT for a file that is truncated, is no session or is one of
   * another model
   */
  loadSession(file: string): Promise<LanguageModelSession> {
    return LanguageModelSession.load(this, file);
  }

  /**
   * The logits of ids, differentiable in the parameters.
   *
   * @param ids [batch, tokens] int32
   * @returns [batch, tokens, vocabSize]
   * @throws FastWeightError ERR_SHAPE or ERR_ARGUMENT for wrong documents
   */
  logits(ids: Tensor2D, options: DocumentOptions = {}): Tensor3D {
    return logitsOf(this, ids, options);
  }
}

serialization.registerClass(LanguageModel);

/**
 * The LaCT language model: in each layer sliding-window attention with fast weights, then a gated
 * MLP, around RMS norms (arXiv 2505.23884, section 4.2; published as `lact_swiglu`). Parameters carry
 * the published names, see {@link namedParameters}.
 *
 * @param config settings that differ from the published defaults
 * @param options.seed of the initial weights, default 0
 * @returns a model from int32 ids [batch, tokens] to logits [batch, tokens, vocabSize]
 * @throws FastWeightError ERR_ARGUMENT for a setting that is unknown or out of its range
 */
export function languageModel(
  config: Partial<LanguageModelConfig>,
  options: { seed?: number } = {},
): LanguageModel {
  const resolved = resolveLanguageModelConfig(config);
  const { vocabSize, hiddenSize, intermediateSize, initializerRange, normEps } = resolved;
  let seed = 1000 * (options.seed ?? 0);
  const args = (name: string) => ({ name, seed: seed++ });
  const table = { vocabSize, hiddenSize, initializerRange };
  const embedding = new TokenEmbedding({ ...table, ...args('embeddings') });
  const ids = input({ shape: [null], dtype: 'int32', name: 'input_ids' });
  let x = embedding.apply(ids) as SymbolicTensor;
  const residual = (name: string, branch: SymbolicTensor) => {
    x = layers.add({ name }).apply([x, branch]) as SymbolicTensor;
  };
  for (let index = 0; index < resolved.numHiddenLayers; index++) {
    const named = (name: string) => args(`layers.${index}.${name}`);
    const attended = chain(x, [
      new RmsNorm({ epsilon: normEps, ...named('attn_norm') }),
      new FastWeightAttention({ ...attentionSettings(resolved), ...named('attn') }),
    ]);
    residual(`layers.${index}.attn_residual`, attended);
    const mixed = chain(x, [
      new RmsNorm({ epsilon: normEps, ...named('mlp_norm') }),
      new GatedMlp({ hiddenSize, intermediateSize, initializerRange, ...named('mlp') }),
    ]);
    residual(`layers.${index}.mlp_residual`, mixed);
  }
  const head = resolved.tieWordEmbeddings
    ? embedding
    : new LanguageModelHead({ ...table, ...args('lm_head') });
  const logits = chain(x, [new RmsNorm({ epsilon: normEps, ...args('norm') }), head]);
  return new LanguageModel({ inputs: ids, outputs: logits, name: 'lact_language_model' });
}

function chain(x: SymbolicTensor, stages: layers.Layer[]): SymbolicTensor {
  return stages.reduce((y, stage) => stage.apply(y) as SymbolicTensor, x);
}

/** The settings of the attention layer among those of the model. */
function attentionSettings(config: LanguageModelConfig) {
  const {
    vocabSize: _vocabSize,
    numHiddenLayers: _numHiddenLayers,
    normEps: _normEps,
    tieWordEmbeddings: _tieWordEmbeddings,
    hiddenRatio: _hiddenRatio,
    intermediateSize: _intermediateSize,
    ...settings
  } = config;
  return settings;
}

function logitsOf(model: LayersModel, ids: Tensor2D, { cuSeqlens }: DocumentOptions): Tensor3D {
  return tidy(() => {
    const sequence =
      cuSeqlens && new PackedDocuments(cuSeqlens, ids.shape, rotaryOf(attentionOf(model)));
    return model.apply(ids, { training: true, sequence }) as Tensor3D;
  });
}

/**
 * Mean cross-entropy of the logits at each position against the label at that position, in nats.
 *
 * @param ids [batch, tokens] int32
 * @param labels [batch, tokens] int32, already shifted: labels[t] is the token after ids[t]; a
 * negative label leaves its position out, such as that of a document's last token
 * @param options where documents share a batch element
 * @returns a scalar
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_ARGUMENT
 */
export function languageModelLoss(
  model: LayersModel,
  ids: Tensor2D,
  labels: Tensor2D,
  options: DocumentOptions = {},
): Scalar {
  return tidy(() => {
    const logits: Tensor = logitsOf(model, ids, options);
    const classes = logits.shape[2] as number;
    return softmaxCrossEntropy(reshape(logits, [-1, classes]), reshape(labels, [-1]));
  });
}
