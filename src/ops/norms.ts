import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import {
  type NormaliseRowsAttrs,
  normaliseRows,
  normaliseRowsBiased,
  normaliseRowsWeighted,
} from '../kernels/sequence/row_norms';
import { expected } from '../native/errors';
import { runNativeKernel } from './native_kernel';
import { type ResultOptions, storesResult } from './store_activation';
import { assertAtLeast, assertBackend, assertLive, assertTensor } from './validate';

/** Checks the arguments of a norm over the last axis of x, and runs it. */
function normalise<T extends Tensor>(
  operation: string,
  attrs: NormaliseRowsAttrs,
  x: T,
  weight?: Tensor1D,
  bias?: Tensor1D,
): T {
  assertBackend(operation);
  assertLive('x', x);
  if (x.shape.length === 0) throw expected('ERR_SHAPE', 'one axis or more', 'x', 'shape []');
  assertAtLeast('epsilon', attrs.epsilon, 0);
  const features = x.shape[x.shape.length - 1];
  if (weight !== undefined) assertTensor('weight', weight, [features]);
  if (bias !== undefined) assertTensor('bias', bias, [features]);
  if (weight === undefined) {
    if (bias !== undefined) throw expected('ERR_ARGUMENT', 'a weight beside it', 'bias', 'none');
    return runNativeKernel(normaliseRows, { x }, attrs);
  }
  if (bias === undefined) return runNativeKernel(normaliseRowsWeighted, { x, weight }, attrs);
  return runNativeKernel(normaliseRowsBiased, { x, weight, bias }, attrs);
}

/**
 * Root-mean-square norm over the last axis: x / sqrt(mean(x^2) + epsilon) * weight (arXiv
 * 1910.07467).
 *
 * @param x [..., features]
 * @param weight [features]; left out, it is 1
 * @param epsilon 0 or more
 * @param options.stored store the result as an activation, in the same pass
 * @returns shaped as x
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_ARGUMENT, ERR_DISPOSED,
 *   ERR_DEVICE_UNAVAILABLE, ERR_OUT_OF_MEMORY
 */
export function rmsNorm<T extends Tensor>(
  x: T,
  weight?: Tensor1D,
  epsilon = 1e-5,
  options: ResultOptions = {},
): T {
  const stored = storesResult(options);
  return normalise('rmsNorm', { norm: 'rms', epsilon, stored }, x, weight);
}

/**
 * Layer norm over the last axis: (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias, with
 * the variance's sum divided by the number of features (arXiv 1607.06450).
 *
 * @param x [..., features]
 * @param weight [features]; left out, it is 1
 * @param bias [features], only beside a weight; left out, it is 0
 * @param epsilon 0 or more
 * @param options.stored store the result as an activation, in the same pass
 * @returns shaped as x
 * @throws FastWeightError as {@link rmsNorm}
 */
export function layerNorm<T extends Tensor>(
  x: T,
  weight?: Tensor1D,
  bias?: Tensor1D,
  epsilon = 1e-5,
  options: ResultOptions = {},
): T {
  const stored = storesResult(options);
  return normalise('layerNorm', { norm: 'layer', epsilon, stored }, x, weight, bias);
}

/**
 * x / (||x|| + epsilon) over the last axis, as LaCT's fast weights read their queries and keys. The
 * gradient of the norm of a row of zeros is taken as 0.
 *
 * @param x [..., features]
 * @param epsilon 0 or more
 * @param options.stored store the result as an activation, in the same pass
 * @returns shaped as x
 * @throws FastWeightError as {@link rmsNorm}
 */
export function l2Norm<T extends Tensor>(x: T, epsilon = 1e-5, options: ResultOptions = {}): T {
  return normalise('l2Norm', { norm: 'l2', epsilon, stored: storesResult(options) }, x);
}
