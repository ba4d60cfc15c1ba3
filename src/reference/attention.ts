import * as tf from '@tensorflow/tfjs-core';

import { matMul } from './products';

/** Added to the score of a pair that must not attend: its softmax weight is exactly 0. */
const masked = -1e30;

/** [1, tokens, tokens]: 0 where query i sees key j (i - window < j <= i), else `masked`. */
function windowMask(tokens: number, window: number): tf.Tensor3D {
  const mask = new Float32Array(tokens * tokens).fill(masked);
  for (let i = 0; i < tokens; i++) {
    const first = window > 0 ? Math.max(0, i - window + 1) : 0;
    mask.fill(0, i * tokens + first, i * tokens + i + 1);
  }
  return tf.tensor3d(mask, [1, tokens, tokens]);
}

/**
 * Causal softmax attention in which a token sees itself and the `window - 1` tokens before it;
 * `window` 0 or less sees every token before it. Scores are scaled by 1 / sqrt(headDim).
 *
 * @param q, k, v [batch, tokens, heads, headDim]
 * @returns [batch, tokens, heads, headDim]
 */
export function slidingWindowAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  window = 0,
): tf.Tensor4D {
  return tf.tidy(() => softmaxAttention(q, k, v, windowMask(q.shape[1], window)));
}

/**
 * Softmax attention in which every query sees every key. Scores are scaled by 1 / sqrt(headDim).
 *
 * @param q [batch, queryTokens, heads, headDim]
 * @param k, v [batch, keyTokens, heads, headDim]
 * @returns shaped as q
 */
export function attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => softmaxAttention(q, k, v));
}

function softmaxAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  mask?: tf.Tensor3D,
): tf.Tensor4D {
  const [batch, tokens, heads, headDim] = q.shape;
  const byHead = (x: tf.Tensor4D): tf.Tensor3D =>
    tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * heads, x.shape[1], headDim]);
  const scores = matMul(tf.mul(byHead(q), 1 / Math.sqrt(headDim)), byHead(k), false, true);
  const weights = tf.softmax(mask === undefined ? scores : tf.add(scores, mask));
  const output = matMul(weights as tf.Tensor3D, byHead(v));
  return tf.transpose(tf.reshape(output, [batch, heads, tokens, headDim]), [0, 2, 1, 3]);
}
