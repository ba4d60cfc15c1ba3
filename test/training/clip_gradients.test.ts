import * as tf from '@tensorflow/tfjs-core';

import '../../src/kernels/register';
import { clipByGlobalNorm, globalNorm } from '../../src/training/clip_gradients';

const backends = ['fastweight-cpu', 'cpu'];

const gradients = () => [
  tf.tensor1d([3, 0]),
  tf.tensor2d([
    [0, 4],
    [12, 0],
  ]),
];

test.each(backends)('the global norm is that of all elements together on %s', async (backend) => {
  await tf.setBackend(backend);
  tf.tidy(() => {
    expect(globalNorm(gradients()).dataSync()[0]).toBe(13);
    const large = [tf.fill([100_003], 0.5), tf.fill([7, 11], -2), tf.zeros([0]), tf.scalar(3)];
    const wanted = Math.sqrt(100_003 / 4 + 4 * 77 + 9);
    expect(globalNorm(large).dataSync()[0] / wanted).toBeCloseTo(1, 6);
    const broken = [tf.tensor1d([1, Number.NaN]), tf.scalar(1)];
    expect(globalNorm(broken).dataSync()[0]).toBeNaN();
  });
});

test('gradients over the norm are scaled together, others left alone', () => {
  tf.tidy(() => {
    const given = gradients();
    const clipped = clipByGlobalNorm<tf.Tensor>(given, 13, 6.5);
    expect(clipped.map((tensor) => [...tensor.dataSync()])).toEqual([
      [1.5, 0],
      [0, 2, 6, 0],
    ]);
    expect(clipByGlobalNorm<tf.Tensor>(given, 13, 13)).toEqual(given);
  });
});

test('a norm that bounds nothing and an empty list are refused', () => {
  for (const bad of [0, -1, Number.NaN]) {
    expect(() => clipByGlobalNorm([], 1, bad)).toThrow(`for maxNorm but got ${bad}`);
  }
  expect(() => globalNorm([])).toThrow('Expected at least one for tensors but got none');
});
