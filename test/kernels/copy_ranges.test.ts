import * as tf from '@tensorflow/tfjs-core';
import '../../src/kernels/register';
import type { FastWeightBackend } from '../../src/backend/fastweight_backend';
import { copyRanges, owned } from '../../src/kernels/copy_ranges';
import { slidingWindowAttention } from '../../src/ops/sliding_window_attention';
import { expectError, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

const backend = () => tf.backend() as FastWeightBackend;

test('copies items from place to place, in order', () => {
  tf.tidy(() => {
    const from = tf.range(0, 12);
    const to = tf.zeros([12]);
    copyRanges(backend(), from, to, 2, [
      [0, 4, 2],
      [5, 0, 1],
      [3, 3, 0],
    ]);
    expect([...to.dataSync()]).toEqual([10, 11, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
  });
});

test('a place outside a tensor is refused, and nothing is written', () => {
  tf.tidy(() => {
    const [from, to] = [tf.ones([12]), tf.zeros([10])];
    const wrong: [number, number, number][] = [
      [4, 0, 3],
      [0, 4, 2],
      [-1, 0, 1],
      [0, -1, 1],
      [0, 0, -1],
      [2 ** 31 - 1, 0, 2 ** 31 - 1],
      [0, 2 ** 31 - 1, 1],
    ];
    for (const range of wrong) {
      const copy = () => copyRanges(backend(), from, to, 2, [[0, 0, 1], range]);
      expectError(
        copy,
        range[0] < 0 || range[1] < 0 || range[2] < 0 ? 'ERR_RANGE' : 'ERR_SHAPE',
        /./,
      );
    }
    expect([...to.dataSync()]).toEqual(new Array(10).fill(0));
    const ranges = [0, 0, 1] as unknown as Int32Array;
    const [a, b] = [from, to].map((tensor) => backend().handleOf(tensor));
    expectError(() => backend().addon.copyRanges(a, b, 2, ranges), 'ERR_ARGUMENT', /ranges/);
  });
});

test('owned copies what another tensor shares, and nothing else', () => {
  tf.tidy(() => {
    const x = tf.tensor1d([1, 2]);
    expect(owned(backend(), x)).toBe(x);
    const alias = x.clone();
    const own = owned(backend(), x);
    copyRanges(backend(), tf.tensor1d([5]), own, 1, [[0, 1, 1]]);
    expect([x.isDisposed, ...own.dataSync(), ...alias.dataSync()]).toEqual([true, 1, 5, 1, 2]);
  });
});

test('first keys that make no sense crash nothing', () => {
  for (const value of [-(2 ** 31), -1, 7, 50, 2 ** 31 - 1]) {
    tf.tidy(() => {
      const x = tf.randomNormal<tf.Rank.R4>([1, 40, 2, 8]);
      const firstKeys = tf.fill([1, 40], value, 'int32') as tf.Tensor2D;
      const attend = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) =>
        slidingWindowAttention(q, k, v, { window: 9, firstKeys });
      const gradients = tf.grads(attend as (...xs: tf.Tensor[]) => tf.Tensor)([x, x, x]);
      expect(gradients.map(({ size }) => size)).toEqual([640, 640, 640]);
    });
  }
});
