import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { fallbackCounts, resetFallbackCounts } from '../../src/backend/host_fallback';
import { nativeBackend } from '../support/native_backend';
import { expectClose, expectNoLeak, normals, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

type Pair = [number, number];

interface Case {
  x: [number, number, number, number];
  filter: [number, number, number, number];
  strides?: Pair;
  pad?: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
  dilations?: Pair;
}

const cases: Record<string, Case> = {
  'a patch embedding': { x: [2, 32, 48, 3], filter: [8, 8, 3, 40], strides: [8, 8] },
  'one pixel': { x: [2, 5, 7, 6], filter: [1, 1, 6, 9] },
  'one pixel with a stride': { x: [2, 5, 7, 6], filter: [1, 1, 6, 9], strides: [2, 3] },
  'same padding': { x: [2, 9, 11, 4], filter: [3, 3, 4, 5], pad: 'same' },
  'an even filter, same padding and a stride': {
    x: [1, 9, 10, 3],
    filter: [4, 2, 3, 5],
    pad: 'same',
    strides: [2, 3],
  },
  'a padding wider than the filter': { x: [1, 2, 3, 2], filter: [2, 2, 2, 3], pad: 3 },
  'padding of each side': {
    x: [2, 6, 5, 2],
    filter: [3, 2, 2, 4],
    pad: [
      [0, 0],
      [2, 0],
      [1, 3],
      [0, 0],
    ],
  },
  dilation: { x: [2, 12, 13, 3], filter: [3, 2, 3, 4], dilations: [2, 3], pad: 'same' },
  'many tiles': { x: [2, 30, 40, 64], filter: [3, 3, 64, 2], pad: 'same' },
};

const random = (shape: number[], seed: number) =>
  tf.tensor(normals(tf.util.sizeFromShape(shape), seed), shape);

/** y and, for a random cotangent of it, the gradients of x and the filter. */
function run({ x, filter, strides = [1, 1], pad = 'valid', dilations = [1, 1] }: Case) {
  return tf.tidy(() => {
    const inputs = [random(x, 1) as tf.Tensor4D, random(filter, 2) as tf.Tensor4D];
    const convolve = (a: tf.Tensor, b: tf.Tensor) =>
      tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, strides, pad, 'NHWC', dilations);
    const y = convolve(inputs[0], inputs[1]);
    // tfjs has no gradient of a dilated convolution.
    if (dilations[0] > 1) return [y.dataSync()];
    const gradients = tf.grads(convolve)(inputs, random(y.shape, 3) as tf.Tensor4D);
    return [y, ...gradients].map((tensor) => tensor.dataSync());
  });
}

test.each(Object.entries(cases))('%s is as on the host', async (_, each) => {
  resetFallbackCounts();
  const got = run(each);
  expect(fallbackCounts()).toEqual({});
  await tf.setBackend('cpu');
  const wanted = run(each);
  await tf.setBackend(nativeBackend);
  wanted.forEach((values, at) => {
    tf.tidy(() => expectClose(tf.tensor(got[at]), [...values], 1e-6));
  });
});

test('nothing is left behind', () => {
  expectNoLeak(() => run(cases['same padding']));
});
