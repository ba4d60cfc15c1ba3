import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

import { clipByGlobalNorm, globalNorm } from '../../src/training/clip_gradients';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const gradients = () => [
  tf.tensor1d([3, 0]),
  tf.tensor2d([
    [0, 4],
    [12, 0],
  ]),
];

test('the global norm is that of all elements together', () => {
  tf.tidy(() => expect(globalNorm(gradients()).dataSync()[0]).toBe(13));
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
