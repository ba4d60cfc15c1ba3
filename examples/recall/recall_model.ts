import * as tf from '@tensorflow/tfjs-core';
import {
  input,
  type LayersModel,
  layers,
  model,
  type SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import {
  FastWeightAttention,
  type FastWeightAttentionConfig,
  GatedMlp,
  LanguageModelHead,
  namedParameters,
  RmsNorm,
  softmaxCrossEntropy,
  TokenEmbedding,
} from 'fastweight';
import { keyVocabulary, type RecallBatch, type RecallTask, valueVocabulary } from './task';

/** A memory under test: attention and fast weights, as the layer's settings say. */
export type Memory = Pick<
  FastWeightAttentionConfig,
  'numLactHeads' | 'windowSize' | 'lactChunkSize' | 'useMuon' | 'useMomentum'
>;

export interface RecallModelSettings {
  hiddenSize: number;
  numAttnHeads: number;
  intermediateSize: number;
}

/** Keys and values are told apart from the first step on by embeddings of this size. */
const embeddingStd = 1;

/**
 * One block of the language model on the sum of a key's and a value's embedding: the memory, then a
 * gated MLP, each around an RMS norm and added to the residual stream.
 *
 * @returns a model from keys and values [batch, tokens] int32 to logits [batch, tokens, values]
 */
export function recallModel(
  task: RecallTask,
  settings: RecallModelSettings,
  memory: Memory,
  seed: number,
): LayersModel {
  const { hiddenSize, intermediateSize, numAttnHeads } = settings;
  const initializerRange = hiddenSize ** -0.5;
  let layerSeed = 1000 * seed;
  const args = (name: string) => ({ name, seed: layerSeed++ });
  const ids = (name: string) => input({ shape: [null], dtype: 'int32', name });
  const [keys, values] = [ids('keys'), ids('values')];
  const embedded = (name: string, vocabSize: number, tokens: SymbolicTensor) =>
    new TokenEmbedding({
      vocabSize,
      hiddenSize,
      initializerRange: embeddingStd,
      ...args(name),
    }).apply(tokens) as SymbolicTensor;
  const sum = (a: SymbolicTensor, b: SymbolicTensor) =>
    layers.add().apply([a, b]) as SymbolicTensor;
  const normed = (name: string, x: SymbolicTensor) =>
    new RmsNorm(args(name)).apply(x) as SymbolicTensor;

  let x = sum(
    embedded('key_embedding', keyVocabulary(task), keys),
    embedded('value_embedding', valueVocabulary(task), values),
  );
  const attention = new FastWeightAttention({
    ...memorySettings,
    ...memory,
    hiddenSize,
    numAttnHeads,
    initializerRange,
    ...args('attn'),
  });
  x = sum(x, attention.apply(normed('attn_norm', x)) as SymbolicTensor);
  const mlp = new GatedMlp({ hiddenSize, intermediateSize, initializerRange, ...args('mlp') });
  x = sum(x, mlp.apply(normed('mlp_norm', x)) as SymbolicTensor);
  const head = new LanguageModelHead({
    vocabSize: task.values,
    hiddenSize,
    initializerRange,
    ...args('head'),
  });
  return model({
    inputs: [keys, values],
    outputs: head.apply(normed('norm', x)) as SymbolicTensor,
    name: 'recall',
  });
}

/**
 * The language model's settings of the layer, but for positions: fast weights that are to find a key
 * at any distance compare it without a rotary embedding.
 */
const memorySettings = {
  interMulti: 1,
  qkvBias: false,
  attnQkNorm: false,
  qkvSilu: true,
  noVSilu: false,
  newtonSchulz: 'you5',
  learnableTttScale: true,
  tttPrenorm: false,
  tttNope: true,
  ropeTheta: 10000,
  w0w2LowRank: -1,
  fwInitGain: 0.5,
} as const;

/** Starts the fast weights' step sizes at softplus(softplus^-1(0.001) + `bias`) instead of 0.001. */
export function setStepSizeBias(recall: LayersModel, bias: number): void {
  const parameter = namedParameters(recall).get('attn.lr_proj.bias');
  if (parameter === undefined) return;
  const value = tf.fill(parameter.shape as number[], bias);
  parameter.write(value);
  value.dispose();
}

/** Mean cross-entropy of the values that are asked for, in nats. */
export function recallLoss(recall: LayersModel, { keys, values, labels }: RecallBatch): tf.Scalar {
  return tf.tidy(() => {
    const logits = recall.apply([keys, values], { training: true }) as tf.Tensor;
    const classes = logits.shape[2] as number;
    return softmaxCrossEntropy(tf.reshape(logits, [-1, classes]), tf.reshape(labels, [-1]));
  });
}
