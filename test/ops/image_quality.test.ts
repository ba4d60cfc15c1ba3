import * as tf from '@tensorflow/tfjs-core';
import { psnr, ssim } from '../../src';
import { expectError, normals, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

const shape: [number, number, number, number, number] = [1, 2, 3, 16, 13];
const count = 2 * 3 * 16 * 13;
const image = (seed: number) => normals(count, seed).map((value) => Math.abs(Math.sin(value)));
const tensor = (values: number[]) => tf.tensor5d(values, shape);

/** SSIM of one channel by its definition, window by window, in float64. */
function ssimByHand(x: number[], y: number[], height: number, width: number): number {
  const weight = (i: number, j: number) => Math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / 4.5);
  let total = 0;
  for (let i = 0; i < 11; i++) for (let j = 0; j < 11; j++) total += weight(i, j);
  const values: number[] = [];
  for (let top = 0; top + 11 <= height; top++) {
    for (let left = 0; left + 11 <= width; left++) {
      let [mx, my, xx, yy, xy] = [0, 0, 0, 0, 0];
      for (let i = 0; i < 11; i++) {
        for (let j = 0; j < 11; j++) {
          const w = weight(i, j) / total;
          const [a, b] = [x, y].map((of) => of[(top + i) * width + left + j]);
          mx += w * a;
          my += w * b;
          xx += w * a * a;
          yy += w * b * b;
          xy += w * a * b;
        }
      }
      const [c1, c2] = [0.01 ** 2, 0.03 ** 2];
      values.push(
        ((2 * mx * my + c1) * (2 * (xy - mx * my) + c2)) /
          ((mx * mx + my * my + c1) * (xx - mx * mx + yy - my * my + c2)),
      );
    }
  }
  return values.reduce((sum, value) => sum + value) / values.length;
}

test('PSNR of each image', () => {
  const x = image(1);
  // The first image is off by 0.1 everywhere, the second by 0.01.
  const y = x.map((value, at) => value + (at < count / 2 ? 0.1 : 0.01));
  const [first, second] = psnr(tensor(y), tensor(x)).dataSync();
  expect(first).toBeCloseTo(20, 3);
  expect(second).toBeCloseTo(40, 3);
  expect(psnr(tensor(x), tensor(x)).dataSync()[0]).toBe(Infinity);
});

test('SSIM of each image is that of its definition', () => {
  const [x, y] = [image(1), image(2)];
  const values = ssim(tensor(x), tensor(y)).dataSync();
  for (const view of [0, 1]) {
    const wanted = [0, 1, 2].map((channel) => {
      const start = (view * 3 + channel) * 16 * 13;
      return ssimByHand(x.slice(start, start + 208), y.slice(start, start + 208), 16, 13);
    });
    expect(values[view]).toBeCloseTo((wanted[0] + wanted[1] + wanted[2]) / 3, 5);
  }
  expect(ssim(tensor(x), tensor(x)).dataSync()[1]).toBeCloseTo(1, 6);
});

test('SSIM has the gradient of its definition', () => {
  const [x, y, direction] = [image(1), image(2), normals(count, 3)];
  const gradient = tf.grad((input) => tf.sum(ssim(input as tf.Tensor5D, tensor(y))))(tensor(x));
  const along = gradient.dataSync<'float32'>().reduce((sum, g, at) => sum + g * direction[at], 0);
  const at = (step: number) => {
    const moved = x.map((value, k) => value + step * direction[k]);
    let sum = 0;
    for (let start = 0; start < count; start += 208) {
      sum += ssimByHand(moved.slice(start, start + 208), y.slice(start, start + 208), 16, 13);
    }
    return sum / 3;
  };
  const step = 1e-4;
  expect(along).toBeCloseTo((at(step) - at(-step)) / (2 * step), 3);
});

test.each<[string, () => unknown, RegExp]>([
  ['another rank', () => psnr(tf.zeros([2, 3, 4, 4]) as never, tensor(image(1))), /for image/],
  ['two shapes', () => ssim(tensor(image(1)), tf.zeros([1, 2, 3, 16, 12])), /for reference/],
  [
    'images smaller than the window',
    () => ssim(tf.zeros([1, 1, 3, 10, 20]), tf.zeros([1, 1, 3, 10, 20])),
    /sides of at least 11 pixels for image but got 10 x 20/,
  ],
])('%s is refused', (_name, call, message) => expectError(call, 'ERR_SHAPE', message));
