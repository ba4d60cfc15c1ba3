import type { Tensor4D } from '@tensorflow/tfjs-core';
import {
  type RotaryEmbeddingAttrs,
  rotaryEmbedding as rotaryEmbeddingKernel,
} from '../kernels/sequence/rotary';
import { expected } from '../native/errors';
import { runNativeKernel } from './native_kernel';
import { assertBackend, assertChoice, assertFinite, assertInteger, assertTensor } from './validate';

export interface RotaryEmbeddingOptions {
  /** Base of the frequencies. Default 10000. */
  base?: number;
  /** Position of the first token. Default 0. */
  offset?: number;
  /**
   * Pairs are the features (2 i, 2 i + 1); by default they are (i, i + headDim / 2), as in the
   * language model.
   */
  interleaved?: boolean;
}

/**
 * Rotary position embedding (RoFormer, arXiv 2104.09864): pair i of the token at position p turns
 * by p * base^(-2 i / headDim) radians. Angles are computed in float64.
 *
 * @param x [batch, tokens, heads, headDim], headDim even
 * @returns shaped as x
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_ARGUMENT, ERR_DISPOSED,
 *   ERR_DEVICE_UNAVAILABLE, ERR_OUT_OF_MEMORY
 */
export function rotaryEmbedding(x: Tensor4D, options: RotaryEmbeddingOptions = {}): Tensor4D {
  assertBackend('rotaryEmbedding');
  assertTensor('x', x, ['batch', 'tokens', 'heads', 'headDim']);
  const headDim = x.shape[3];
  if (headDim % 2 !== 0) throw expected('ERR_SHAPE', 'an even headDim', 'x', String(headDim));
  const { base = 10000, offset = 0, interleaved = false } = options;
  assertFinite('base', base);
  if (base <= 0) throw expected('ERR_RANGE', 'a number above 0', 'base', String(base));
  assertInteger('offset', offset, 0);
  assertChoice('interleaved', interleaved, [true, false]);
  const attrs: RotaryEmbeddingAttrs = { base, offset, interleaved, inverse: false };
  return runNativeKernel(rotaryEmbeddingKernel, { x }, attrs);
}
