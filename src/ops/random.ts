import type { Rank, ShapeMap, Tensor } from '@tensorflow/tfjs-core';
import {
  dropout as dropoutKernel,
  randomNormal as normalKernel,
  randomUniform as uniformKernel,
} from '../kernels/random';
import { expected } from '../native/errors';
import { runNativeKernel } from './native_kernel';
import { assertAtLeast, assertBackend, assertFinite, assertInteger, assertLive } from './validate';

/** A seed where the caller gave none. */
function anySeed(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
}

function checkShape(shape: readonly number[]): void {
  shape.forEach((size, axis) => {
    assertInteger(`shape[${axis}]`, size, 0);
  });
}

/**
 * Normal numbers, made natively: Philox 4x32-10 (Salmon et al. 2011) through Box and Muller's
 * transform. The same seed and shape give the same bits for any number of threads.
 *
 * @param shape of the result
 * @param mean of the distribution
 * @param std its standard deviation, 0 or more
 * @param seed a whole number of at least 0; left out, a random one
 * @returns float32 of the shape
 * @throws FastWeightError ERR_RANGE, ERR_ARGUMENT, ERR_OUT_OF_MEMORY, ERR_DEVICE_UNAVAILABLE on a
 *   backend that is not ours
 */
export function randomNormal<R extends Rank>(
  shape: ShapeMap[R],
  mean = 0,
  std = 1,
  seed = anySeed(),
): Tensor<R> {
  assertBackend('randomNormal');
  checkShape(shape);
  assertFinite('mean', mean);
  assertAtLeast('std', std, 0);
  assertInteger('seed', seed, 0);
  return runNativeKernel(normalKernel, {}, { shape, mean, deviation: std, seed });
}

/**
 * Numbers uniform in [low, high), made natively; see {@link randomNormal}.
 *
 * @param shape of the result
 * @param low the least number, which is not above `high`
 * @param seed a whole number of at least 0; left out, a random one
 * @returns float32 of the shape
 * @throws FastWeightError as {@link randomNormal}
 */
export function randomUniform<R extends Rank>(
  shape: ShapeMap[R],
  low = 0,
  high = 1,
  seed = anySeed(),
): Tensor<R> {
  assertBackend('randomUniform');
  checkShape(shape);
  assertFinite('low', low);
  assertAtLeast('high', high, low);
  assertFinite('high - low', Math.fround(high - low));
  assertInteger('seed', seed, 0);
  return runNativeKernel(uniformKernel, {}, { shape, low, high, seed });
}

/**
 * Dropout (Srivastava et al. 2014): each element is 0 with probability `rate`, else x / (1 - rate).
 * Its gradient drops the same elements; the mask is made again from the seed, not stored.
 *
 * @param x of any shape, float32
 * @param rate in [0, 1)
 * @param seed a whole number of at least 0; left out, a random one
 * @returns shaped as x
 * @throws FastWeightError as {@link randomNormal}; ERR_DTYPE, ERR_DISPOSED
 */
export function dropout<T extends Tensor>(x: T, rate: number, seed = anySeed()): T {
  assertBackend('dropout');
  assertLive('x', x);
  assertAtLeast('rate', rate, 0);
  if (rate >= 1) throw expected('ERR_RANGE', 'a number below 1', 'rate', String(rate));
  assertInteger('seed', seed, 0);
  return runNativeKernel(dropoutKernel, { x }, { rate, seed });
}
