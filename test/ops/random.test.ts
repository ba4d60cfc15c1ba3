import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { dropout, randomNormal, randomUniform } from '../../src/ops/random';
import { directionalError } from '../gradients/gradient_check';
import { expectError, expectNoLeak, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

const count = 200_000;

function values(make: () => tf.Tensor): Float32Array {
  return tf.tidy(() => make().dataSync()) as Float32Array;
}

function moment(x: ArrayLike<number>, power: number): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] ** power;
  return sum / x.length;
}

/** The largest distance of the empirical distribution from `distribution`, times sqrt(n). */
function kolmogorovSmirnov(x: Float32Array, distribution: (value: number) => number): number {
  const sorted = Float32Array.from(x).sort();
  let worst = 0;
  sorted.forEach((value, i) => {
    const wanted = distribution(value);
    worst = Math.max(worst, Math.abs(wanted - i / x.length), Math.abs(wanted - (i + 1) / x.length));
  });
  return worst * Math.sqrt(x.length);
}

/** Correlation of x[i] and y[i + lag] for values of mean 0 and variance 1, times sqrt(n). */
function correlation(x: Float32Array, y: Float32Array, lag: number): number {
  let sum = 0;
  for (let i = 0; i + lag < x.length; i++) sum += x[i] * y[i + lag];
  return sum / Math.sqrt(x.length - lag);
}

/** Abramowitz and Stegun 7.1.26, to 1.5e-7. */
function normalDistribution(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const polynomial =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = (polynomial * Math.exp(-z * z)) / 2;
  return x > 0 ? 1 - tail : tail;
}

describe.each([1, 2, 2 ** 40 + 7])('seed %d', (seed) => {
  test('normal numbers have the moments and the distribution', () => {
    const x = values(() => randomNormal([count], 0, 1, seed));
    const root = Math.sqrt(count);
    expect(Math.abs(moment(x, 1)) * root).toBeLessThan(4);
    expect((Math.abs(moment(x, 2) - 1) * root) / Math.sqrt(2)).toBeLessThan(4);
    expect((Math.abs(moment(x, 3)) * root) / Math.sqrt(15)).toBeLessThan(4);
    expect((Math.abs(moment(x, 4) - 3) * root) / Math.sqrt(96)).toBeLessThan(4);
    expect(kolmogorovSmirnov(x, normalDistribution)).toBeLessThan(1.95);
  });

  test('normal numbers are independent of their neighbours, and of another seed', () => {
    const x = values(() => randomNormal([count], 0, 1, seed));
    const y = values(() => randomNormal([count], 0, 1, seed + 1));
    for (const lag of [1, 2, 16, 32, 64]) {
      expect(Math.abs(correlation(x, x, lag))).toBeLessThan(4);
    }
    expect(Math.abs(correlation(x, y, 0))).toBeLessThan(4);
    const squares = x.map((value) => (value * value - 1) / Math.SQRT2);
    for (const lag of [1, 16]) expect(Math.abs(correlation(squares, squares, lag))).toBeLessThan(4);
  });

  test('uniform numbers fill their range evenly', () => {
    const x = values(() => randomUniform([count], -2, 3, seed));
    expect(Math.min(...x.slice(0, 1000))).toBeGreaterThanOrEqual(-2);
    expect(x.every((value) => value >= -2 && value < 3)).toBe(true);
    expect(kolmogorovSmirnov(x, (value) => (value + 2) / 5)).toBeLessThan(1.95);
  });

  test('dropout drops its share and scales the rest', () => {
    const y = values(() => dropout(tf.ones([count]), 0.2, seed));
    const dropped = y.filter((value) => value === 0).length / count;
    expect(Math.abs(dropped - 0.2) * Math.sqrt(count / 0.16)).toBeLessThan(4);
    expect(new Set(y)).toEqual(new Set([0, Math.fround(1.25)]));
  });
});

test('the same seed gives the same bits, another seed others', () => {
  const make = (seed: number) => values(() => randomNormal([1000], 0, 1, seed));
  expect(make(3)).toEqual(make(3));
  expect(make(3)).not.toEqual(make(4));
  const [one, two] = [0, 1].map(() => values(() => randomNormal([1000])));
  expect(one).not.toEqual(two);
});

test('mean, deviation and shape are as asked for', () => {
  tf.tidy(() => {
    const x = randomNormal([100, 50], 3, 0.01, 1);
    expect(x.shape).toEqual([100, 50]);
    expect(tf.mean(x).dataSync()[0]).toBeCloseTo(3, 3);
    expect([...randomNormal([3], 2, 0, 1).dataSync()]).toEqual([2, 2, 2]);
    expect([...randomUniform([2], 5, 5, 1).dataSync()]).toEqual([5, 5]);
    expect(randomUniform([0, 4]).shape).toEqual([0, 4]);
  });
});

test('dropout of rate 0 changes nothing, and an infinity can be dropped', () => {
  tf.tidy(() => {
    const x = tf.tensor([1, -2, 3]);
    expect([...dropout(x, 0, 1).dataSync()]).toEqual([1, -2, 3]);
    const infinite = dropout(tf.fill([100], Infinity), 0.5, 1).dataSync();
    expect(new Set(infinite)).toEqual(new Set([0, Infinity]));
  });
});

test('the gradient of dropout drops what the forward dropped', () => {
  const x = tf.ones([50, 3]) as tf.Tensor2D;
  tf.tidy(() => {
    const y = dropout(x, 0.4, 9);
    const dx = tf.grad((value) => dropout(value, 0.4, 9))(x);
    expect(dx.dataSync()).toEqual(y.dataSync());
  });
  expect(directionalError((value) => tf.square(dropout(value, 0.4, 9)), [x])).toBeLessThan(1e-3);
  expectNoLeak(() =>
    tf
      .grad((value) => dropout(value, 0.4, 9))(x)
      .dispose(),
  );
  x.dispose();
});

test('wrong arguments are refused', () => {
  const x = tf.ones([2]);
  expectError(() => randomNormal([2.5]), 'ERR_RANGE', /for shape\[0\] but got 2.5/);
  expectError(() => randomNormal([2], 0, -1), 'ERR_RANGE', /for std but got -1/);
  expectError(() => randomNormal([2], 0, 1, 1.5), 'ERR_RANGE', /for seed but got 1.5/);
  expectError(() => randomUniform([2], 1, 0), 'ERR_RANGE', /at least 1 for high but got 0/);
  expectError(() => randomUniform([2], -3e38, 3e38), 'ERR_RANGE', /for high - low/);
  expectError(() => dropout(x, 1), 'ERR_RANGE', /below 1 for rate but got 1/);
  expectError(() => dropout(tf.ones([2], 'int32'), 0.5), 'ERR_DTYPE', /for x but got int32/);
  x.dispose();
});
