import * as tf from '@tensorflow/tfjs-core';

import type { LanguageModelConfig } from '../models/language_model_config';
import type { FastWeights } from '../ops/fast_weight_state';
import { silu, stepSizes } from './activations';
import { slidingWindowAttention } from './attention';
import { fastWeightScan } from './fast_weight_scan';
import { fromRows, joinHeads, splitHeads, toRows } from './heads';
import { l2Norm, rmsNorm } from './norms';
import { linear, type Parameters, parameter } from './parameters';
import { matMul } from './products';
import { shiftedCausalProgram } from './programs';
import { rotaryEmbedding } from './rotary';

/** Epsilon of the q, k and output norms; the config's own is for the residual stream's norms. */
const layerNormEpsilon = 1e-5;

/** Step size that a zero projection gives. */
const baseStepSize = 0.001;

/** The initial fast weights of every row, [batch * heads, ...]. */
function initialWeights(
  params: Parameters,
  batch: number,
  config: LanguageModelConfig,
): FastWeights {
  const full = (name: string): tf.Tensor3D => {
    if (name === 'w1' || config.w0w2LowRank <= 0) return parameter(params, name);
    const left = parameter<tf.Tensor3D>(params, `${name}.w_left`);
    const right = parameter<tf.Tensor3D>(params, `${name}.w_right`);
    const identity = tf.eye(left.shape[1], right.shape[2]);
    return tf.add(matMul(left, right), tf.mul(0.5, identity));
  };
  const rows = (name: string): tf.Tensor3D => tf.tile(full(name), [batch, 1, 1]);
  return { w0: rows('w0'), w1: rows('w1'), w2: rows('w2') };
}

/** The per-channel scale and offset of one of q (column 0) and k (column 1). */
function rescale(params: Parameters, x: tf.Tensor3D, column: number): tf.Tensor3D {
  const channel = (name: string) =>
    tf.squeeze(tf.slice(parameter<tf.Tensor2D>(params, name), [0, column], [-1, 1]), [1]);
  return tf.add(tf.mul(x, channel('qk_scale')), channel('qk_offset'));
}

/** The q or k that the fast weights read, [batch * lactHeads, tokens, headDim]. */
function fastQueryOrKey(
  params: Parameters,
  x: tf.Tensor3D,
  column: number,
  config: LanguageModelConfig,
): tf.Tensor3D {
  const { numAttnHeads, numLactHeads } = config;
  let y = rescale(params, x, column);
  if (config.qkvSilu) y = silu(y);
  let rows = l2Norm(toRows(y, numLactHeads));
  if (!config.tttNope) {
    // The rotary embedding groups channels by the attention's heads here too.
    const grouped = splitHeads(fromRows(rows, numLactHeads), numAttnHeads);
    rows = toRows(joinHeads(rotaryEmbedding(grouped, config.ropeTheta)), numLactHeads);
  }
  return rows;
}

/** The normed, scaled output of the fast weights, [batch, tokens, hiddenSize]. */
function fastWeightBranch(
  params: Parameters,
  x: tf.Tensor3D,
  [q, k, v]: tf.Tensor3D[],
  config: LanguageModelConfig,
): tf.Tensor3D {
  const heads = config.numLactHeads;
  const perHead = (name: string) => linear(params, name, x, true);
  const rates = toRows(stepSizes(perHead('lr_proj'), baseStepSize), heads);
  const momentum = config.useMomentum
    ? toRows(tf.sigmoid(perHead('momentum_proj.0')), heads)
    : undefined;
  const inputs = {
    q: fastQueryOrKey(params, q, 0, config),
    k: fastQueryOrKey(params, k, 1, config),
    v: toRows(config.qkvSilu && !config.noVSilu ? silu(v) : v, heads),
    rates,
    momentum,
  };
  const [batch, tokens] = x.shape;
  const program = shiftedCausalProgram(tokens, config.lactChunkSize);
  const { output } = fastWeightScan(inputs, initialWeights(params, batch, config), program, {
    optimizer: config.useMuon ? 'muon' : 'gd',
    newtonSchulz: config.newtonSchulz,
    weightNorm: config.tttPrenorm ? 'pre' : 'post',
  });
  let normed = rmsNorm(output, parameter(params, 'ttt_norm.weight'), layerNormEpsilon);
  if (config.learnableTttScale) {
    normed = tf.mul(normed, toRows(silu(perHead('ttt_scale_proj')), heads));
  }
  return fromRows(normed, heads);
}

/**
 * The LaCT layer of the language model: sliding-window attention and fast weights on the same q, k
 * and v, added before the output projection.
 *
 * @param params the parameters under `layers.N.attn.`
 * @param x [batch, tokens, hiddenSize]
 * @returns [batch, tokens, hiddenSize]
 */
export function fastWeightLayer(
  params: Parameters,
  x: tf.Tensor3D,
  config: LanguageModelConfig,
): tf.Tensor3D {
  return tf.tidy(() => {
    let [q, k, v] = tf.split<tf.Tensor3D>(linear(params, 'qkv', x, config.qkvBias), 3, 2);
    if (config.attnQkNorm) {
      q = rmsNorm(q, parameter(params, 'q_norm.weight'), layerNormEpsilon);
      k = rmsNorm(k, parameter(params, 'k_norm.weight'), layerNormEpsilon);
    }
    const turned = (y: tf.Tensor3D) =>
      rotaryEmbedding(splitHeads(y, config.numAttnHeads), config.ropeTheta);
    const heads = splitHeads(v, config.numAttnHeads);
    const attended = slidingWindowAttention(turned(q), turned(k), heads, config.windowSize);
    const joined = joinHeads(attended);
    if (config.numLactHeads === 0) return linear(params, 'o_proj', joined);
    const written = fastWeightBranch(params, x, [q, k, v], config);
    return linear(params, 'o_proj', tf.add(joined, written));
  });
}
