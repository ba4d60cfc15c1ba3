import * as tf from '@tensorflow/tfjs-core';

import type { LanguageModelConfig } from '../models/language_model_config';
import { silu } from './activations';
import { fastWeightLayer } from './fast_weight_layer';
import { rmsNorm } from './norms';
import { linear, type Parameters, parameter, within } from './parameters';
import { matMul } from './products';

/** down(silu(gate x) * up x) on x [batch, tokens, hiddenSize]. */
function gatedMlp(params: Parameters, x: tf.Tensor3D): tf.Tensor3D {
  const gate = silu(linear(params, 'gate_proj', x));
  return linear(params, 'down_proj', tf.mul(gate, linear(params, 'up_proj', x)));
}

/**
 * The LaCT language model (arXiv 2505.23884, section 4.2; published as `lact_swiglu`): each layer
 * adds attention with fast weights, then a gated MLP, to the residual stream.
 *
 * @param params every parameter by its published name, as `languageModelParameters` lists them
 * @param inputIds [batch, tokens] int32
 * @returns logits [batch, tokens, vocabSize]
 */
export function languageModel(
  params: Record<string, tf.Tensor>,
  inputIds: tf.Tensor2D,
  config: LanguageModelConfig,
): tf.Tensor3D {
  const all = within(params, '');
  const { hiddenSize, vocabSize, normEps } = config;
  const [batch, tokens] = inputIds.shape;
  return tf.tidy(() => {
    const embeddings = parameter<tf.Tensor2D>(all, 'embeddings.weight');
    let x = tf.gather(embeddings, inputIds) as tf.Tensor as tf.Tensor3D;
    for (let index = 0; index < config.numHiddenLayers; index++) {
      const layer = within(params, `layers.${index}.`);
      const attended = rmsNorm(x, parameter(layer, 'attn_norm.weight'), normEps);
      x = tf.add(x, fastWeightLayer(within(params, `layers.${index}.attn.`), attended, config));
      const normed = rmsNorm(x, parameter(layer, 'mlp_norm.weight'), normEps);
      x = tf.add(x, gatedMlp(within(params, `layers.${index}.mlp.`), normed));
    }
    x = rmsNorm(x, parameter(all, 'norm.weight'), normEps);
    const head = config.tieWordEmbeddings
      ? embeddings
      : parameter<tf.Tensor2D>(all, 'lm_head.weight');
    const flat = tf.reshape(x, [batch * tokens, hiddenSize]) as tf.Tensor2D;
    return tf.reshape(matMul(flat, head, false, true), [batch, tokens, vocabSize]);
  });
}

/**
 * Mean cross-entropy of the logits at each position against the label at that position, in nats.
 * A negative label (the published -100) leaves its position out.
 *
 * @param labels [batch, tokens] int32, already shifted: labels[t] is the token after ids[t]
 * @returns a scalar
 */
export function languageModelLoss(
  params: Record<string, tf.Tensor>,
  ids: tf.Tensor2D,
  labels: tf.Tensor2D,
  config: LanguageModelConfig,
): tf.Scalar {
  return tf.tidy(() => {
    const logProbabilities = tf.logSoftmax(languageModel(params, ids, config));
    // A one-hot row of a negative label is all zeros.
    const target = tf.cast(tf.oneHot(labels, config.vocabSize), 'float32');
    const counted = tf.sum(tf.cast(tf.greaterEqual(labels, 0), 'float32'));
    return tf.neg(tf.div(tf.sum(tf.mul(logProbabilities, target)), counted)) as tf.Scalar;
  });
}

/** What golden cases compare of a model. */
export interface LanguageModelEvaluation {
  /** [batch, tokens, vocabSize] */
  logits: tf.Tensor3D;
  loss: tf.Scalar;
  /** The loss's gradient with respect to every parameter, by name. */
  gradients: Record<string, tf.Tensor>;
}

/**
 * Logits, loss and the loss's gradients of one batch.
 *
 * @param labels [batch, tokens] int32, as {@link languageModelLoss} takes them
 * @returns new tensors, the caller's to dispose
 */
export function evaluateLanguageModel(
  params: Record<string, tf.Tensor>,
  ids: tf.Tensor2D,
  labels: tf.Tensor2D,
  config: LanguageModelConfig,
): LanguageModelEvaluation {
  const names = Object.keys(params);
  return tf.tidy(() => {
    const lossOf = (...values: tf.Tensor[]) => {
      const given = Object.fromEntries(names.map((name, at) => [name, values[at]]));
      return languageModelLoss(given, ids, labels, config);
    };
    const { value: loss, grads } = tf.valueAndGrads(lossOf)(Object.values(params));
    const gradients = Object.fromEntries(names.map((name, at) => [name, grads[at]]));
    const logits = languageModel(params, ids, config);
    return { logits, loss: loss as tf.Scalar, gradients } as LanguageModelEvaluation &
      tf.TensorContainerObject;
  });
}
