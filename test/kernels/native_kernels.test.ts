import * as tf from '@tensorflow/tfjs-core';
import { fallbackCounts, resetFallbackCounts } from '../../src/backend/host_fallback';
import '../../src/kernels/register';
import { nativeBackend } from '../support/native_backend';
import { kernelCases } from './kernel_cases';

interface Result {
  shape: number[];
  dtype: string;
  values: Float32Array | Int32Array | Uint8Array;
}

function resultsOn(backend: string, run: () => tf.Tensor | tf.Tensor[]): Result[] {
  void tf.setBackend(backend);
  return tf.tidy(() => {
    const result = run();
    return (Array.isArray(result) ? result : [result]).map((tensor) => ({
      shape: tensor.shape,
      dtype: tensor.dtype,
      values: tensor.dataSync(),
    }));
  }) as unknown as Result[];
}

/** Largest |a - b| beside 1e-6 + 2e-6 |b|: the functions are good to a few units in the last place. */
function worstShare(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    if (Object.is(actual[i], wanted[i]) || actual[i] === wanted[i]) continue;
    const share = Math.abs(actual[i] - wanted[i]) / (1e-6 + 2e-6 * Math.abs(wanted[i]));
    worst = Math.max(worst, Number.isNaN(share) ? Infinity : share);
  }
  return worst;
}

/** ||actual - wanted|| / ||wanted||. */
function relativeError(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    difference += (actual[i] - wanted[i]) ** 2;
    size += wanted[i] ** 2;
  }
  return Math.sqrt(difference / Math.max(size, Number.MIN_VALUE));
}

describe('native kernels', () => {
  beforeEach(resetFallbackCounts);

  const cases = kernelCases.map(([name, run, isSum = false]) => ({ name, run, isSum }));

  it.each(cases)("$name gives what tfjs's own backend gives, natively", ({ run, isSum }) => {
    const wanted = resultsOn('cpu', run);
    const actual = resultsOn(nativeBackend, run);
    expect(fallbackCounts()).toEqual({});
    expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
      wanted.map(({ shape, dtype }) => ({ shape, dtype })),
    );
    actual.forEach(({ values }, index) => {
      if (isSum) expect(relativeError(values, wanted[index].values)).toBeLessThan(1e-6);
      else expect(worstShare(values, wanted[index].values)).toBeLessThanOrEqual(1);
    });
  });

  it.each([
    ['silu', (x: tf.Tensor) => tf.mul(x, tf.sigmoid(x))],
    ['gelu', (x: tf.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.div(x, Math.SQRT2))))],
  ])('ends a product with %s, which tfjs has no name for', (activation, formula) => {
    void tf.setBackend(nativeBackend);
    tf.tidy(() => {
      const a = tf.linspace(-4, 4, 60).reshape([12, 5]) as tf.Tensor2D;
      const b = tf.linspace(-1, 1, 35).reshape([5, 7]) as tf.Tensor2D;
      const bias = tf.linspace(-0.5, 0.5, 7);
      const wanted = formula(tf.add(tf.matMul(a, b), bias)).dataSync();
      const options = { a, b, bias, activation: activation as 'relu' };
      expect(relativeError(tf.fused.matMul(options).dataSync(), wanted)).toBeLessThan(1e-6);
    });
  });

  it('counts the kernels that run on the host', () => {
    void tf.setBackend(nativeBackend);
    tf.tidy(() => tf.topk(tf.tensor1d([3, 1, 2]), 2));
    expect(fallbackCounts()).toEqual({ TopK: 1 });
  });
});
