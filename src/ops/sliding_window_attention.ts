import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { keepsBfloat16 } from '../backend/activation_storage';
import { type AttentionAttrs, attention as attentionKernel } from '../kernels/sequence/attention';
import { expected } from '../native/errors';
import { runNativeKernel } from './native_kernel';
import { assertBackend, assertFinite, assertInteger, assertTensor } from './validate';

export interface SlidingWindowAttentionOptions {
  /** Tokens that a token sees, itself included; left out, it sees all before it. */
  window?: number;
  /** Factor of the scores; 1 / sqrt(headDim) where left out. */
  scale?: number;
  /**
   * [batch, queryTokens] int32: a query sees no key before the one of this index, which is at most
   * its own place among the keys and does not fall from query to query. It keeps apart documents
   * that share a batch element, and hides padding that stands before a sequence.
   */
  firstKeys?: Tensor2D;
}

/**
 * Causal softmax attention over a sliding window (the attention of LaCT's language model, arXiv
 * 2505.23884, section 4). A token sees itself and the `window - 1` tokens before it. Where k and v
 * are longer than q, the last query stands at the last key, as in decoding with a cache.
 *
 * Work and memory grow with tokens * window and tokens: scores are computed a tile at a time,
 * forward and backward.
 *
 * @param q [batch, queryTokens, heads, headDim]
 * @param k [batch, keyTokens, heads, headDim], keyTokens >= queryTokens
 * @param v shaped as k
 * @returns shaped as q
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_ARGUMENT, ERR_DISPOSED,
 *   ERR_DEVICE_UNAVAILABLE, ERR_OUT_OF_MEMORY
 */
export function slidingWindowAttention(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  options: SlidingWindowAttentionOptions = {},
): Tensor4D {
  assertBackend('slidingWindowAttention');
  assertTensor('q', q, ['batch', 'queryTokens', 'heads', 'headDim']);
  const [batch, queryTokens, heads, headDim] = q.shape;
  assertTensor('k', k, [batch, 'keyTokens', heads, headDim]);
  assertTensor('v', v, k.shape);
  const keyTokens = k.shape[1];
  if (keyTokens < queryTokens) {
    throw expected('ERR_SHAPE', `at least q's ${queryTokens} tokens`, 'k', `${keyTokens}`);
  }
  const { window = keyTokens, scale = 1 / Math.sqrt(headDim), firstKeys } = options;
  assertInteger('window', window, 1);
  assertFinite('scale', scale);
  const attrs: AttentionAttrs = {
    window: Math.min(window, keyTokens),
    scale,
    causal: true,
    stored: keepsBfloat16(),
  };
  if (firstKeys !== undefined) {
    assertTensor('firstKeys', firstKeys, [batch, queryTokens], 'int32');
  }
  return runNativeKernel(attentionKernel, firstKeys ? [q, k, v, firstKeys] : [q, k, v], attrs);
}
