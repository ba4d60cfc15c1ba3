import type { Tensor4D } from '@tensorflow/tfjs-core';
import { keepsBfloat16 } from '../backend/activation_storage';
import { type AttentionAttrs, attention as attentionKernel } from '../kernels/sequence/attention';
import { runNativeKernel } from './native_kernel';
import { assertBackend, assertFinite, assertTensor } from './validate';

export interface AttentionOptions {
  /** Factor of the scores; 1 / sqrt(headDim) where left out. */
  scale?: number;
}

/**
 * Softmax attention in which every query sees every key (arXiv 1706.03762, section 3.2.1), as among
 * the tokens of one image. Scores are computed a tile at a time, forward and backward, so that
 * memory grows with the tokens alone.
 *
 * @param q [batch, queryTokens, heads, headDim]
 * @param k [batch, keyTokens, heads, headDim]
 * @param v shaped as k
 * @returns shaped as q
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_ARGUMENT, ERR_DISPOSED,
 *   ERR_DEVICE_UNAVAILABLE, ERR_OUT_OF_MEMORY
 */
export function attention(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  options: AttentionOptions = {},
): Tensor4D {
  assertBackend('attention');
  assertTensor('q', q, ['batch', 'queryTokens', 'heads', 'headDim']);
  const [batch, , heads, headDim] = q.shape;
  assertTensor('k', k, [batch, 'keyTokens', heads, headDim]);
  assertTensor('v', v, k.shape);
  const { scale = 1 / Math.sqrt(headDim) } = options;
  assertFinite('scale', scale);
  const attrs: AttentionAttrs = {
    window: k.shape[1],
    scale,
    causal: false,
    stored: keepsBfloat16(),
  };
  return runNativeKernel(attentionKernel, [q, k, v], attrs);
}
