import '../../src/kernels/register';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/data/random';
import { shiftedTime } from '../../src/models/video_loss';
import {
  type FlowMatchingOptions,
  flowMatchingBatch,
  logitNormalDensity,
} from '../../src/training/flow_matching';
import { expectError, expectNoLeak, normals, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

type Shape = [number, number, number, number, number];
const shape: Shape = [2, 6, 3, 2, 2];
const size = 2 * 6 * 3 * 2 * 2;
const video = () => tf.tensor5d(normals(size, 1), shape);
/** Values of a window of two frames. */
const windowSize = 2 * 3 * 2 * 2;

test('times are shifted towards noise, ends stay', () => {
  expect(shiftedTime(0, 3)).toBe(0);
  expect(shiftedTime(1, 3)).toBe(1);
  expect(shiftedTime(0.5, 3)).toBeCloseTo(0.75, 12);
  expect(shiftedTime(0.3, 1)).toBeCloseTo(0.3, 12);
});

test.each([0.5, 1, 2])('the logit-normal density of deviation %p is one', (std) => {
  const count = 20000;
  let [mass, median] = [0, 0];
  for (let i = 0; i < count; i++) {
    const time = (i + 0.5) / count;
    const density = logitNormalDensity(time, std) / count;
    mass += density;
    if (time < 0.5) median += density;
  }
  expect(mass).toBeCloseTo(1, 4);
  expect(median).toBeCloseTo(0.5, 4);
  // Half of all logits are within 0.67449 deviations.
  const quartile = 1 / (1 + Math.exp(0.67449 * std));
  let below = 0;
  for (let i = 0; (i + 0.5) / count < quartile; i++) {
    below += logitNormalDensity((i + 0.5) / count, std) / count;
  }
  expect(below).toBeCloseTo(0.25, 3);
});

test.each([1, 2])('windows repeated %p times are the video and its noise', (numRepeat) => {
  tf.tidy(() => {
    const options: FlowMatchingOptions = { timestepShift: 2 };
    const config = { windowFrames: 2, numRepeat };
    const batch = flowMatchingBatch(video(), config, new Random(3), options);
    const windows = 3 * (numRepeat + 1) - 1;
    expect(batch.windows.shape).toEqual([2, windows, 2, 3, 2, 2]);
    expect(batch.velocity.shape).toEqual(batch.windows.shape);
    const [x, v, t, w] = [batch.windows, batch.velocity, batch.times, batch.weights].map((y) =>
      y.dataSync(),
    );
    const clean = video().dataSync();
    const noises: number[] = [];
    let mass = 0;
    for (let element = 0; element < 2; element++) {
      for (let window = 0; window < windows; window++) {
        const at = element * windows + window;
        const time = Math.floor(window / (numRepeat + 1));
        const isClean = window % (numRepeat + 1) === numRepeat;
        const s = t[at] / 1000;
        expect(isClean ? s === 0 : s > 0 && s < 1).toBe(true);
        // The time before the shift decides the weight.
        const drawn = s / (2 - s);
        const weight = isClean ? 0 : logitNormalDensity(drawn) / (2 * 3 * numRepeat);
        expect(w[at]).toBeCloseTo(weight, 4);
        mass += w[at];
        for (let i = 0; i < windowSize; i++) {
          const index = at * windowSize + i;
          const value = clean[(element * 3 + time) * windowSize + i];
          expect(x[index]).toBeCloseTo(value + s * v[index], 5);
          if (isClean) expect(Math.abs(v[index])).toBe(0);
          else noises.push(v[index] + value);
        }
      }
    }
    expect(mass).toBeGreaterThan(0);
    const deviation = Math.sqrt(noises.reduce((sum, n) => sum + n * n, 0) / noises.length);
    expect(deviation).toBeGreaterThan(0.85);
    expect(deviation).toBeLessThan(1.15);
    expect(new Set(noises.map((n) => n.toFixed(4))).size).toBeGreaterThan(0.9 * noises.length);
  });
});

test('without weights each noisy window counts alike', () => {
  tf.tidy(() => {
    const config = { windowFrames: 3, numRepeat: 1 };
    const options = { logitNormalWeighting: false, timeSampling: 'logitNormal' } as const;
    const { weights } = flowMatchingBatch(video(), config, new Random(1), options);
    expect([...weights.dataSync()]).toEqual([0.25, 0, 0.25, 0.25, 0, 0.25]);
  });
});

test('logit-normal times have the middle as their median and a deviation of one logit', () => {
  const logits: number[] = [];
  const random = new Random(8);
  const long = tf.zeros([4, 100, 1, 1, 1]) as tf.Tensor5D;
  for (let round = 0; round < 4; round++) {
    tf.tidy(() => {
      const options = { timestepShift: 1, timeSampling: 'logitNormal' } as const;
      const config = { windowFrames: 1, numRepeat: 1 };
      const { times } = flowMatchingBatch(long, config, random, options);
      for (const time of times.dataSync()) {
        if (time > 0) logits.push(Math.log(time / (1000 - time)));
      }
    });
  }
  long.dispose();
  expect(logits).toHaveLength(1600);
  const mean = logits.reduce((sum, x) => sum + x, 0) / 1600;
  const variance = logits.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 1600;
  expect(Math.abs(mean)).toBeLessThan(0.1);
  expect(Math.abs(variance - 1)).toBeLessThan(0.15);
});

test('a sequence gives the same batch again, and no tensor is left', () => {
  const clean = video();
  const draw = (seed: number) =>
    flowMatchingBatch(clean, { windowFrames: 2, numRepeat: 1 }, new Random(seed));
  expectNoLeak(() => {
    const [a, b, c] = [draw(1), draw(1), draw(2)];
    expect(a.windows.dataSync()).toEqual(b.windows.dataSync());
    expect(a.windows.dataSync()).not.toEqual(c.windows.dataSync());
    for (const batch of [a, b, c]) tf.dispose({ ...batch });
  });
  clean.dispose();
});

test('refuses what makes no batch', () => {
  const clean = video();
  const make = (windowFrames: number, options: FlowMatchingOptions = {}) =>
    flowMatchingBatch(clean, { windowFrames, numRepeat: 1 }, new Random(1), options);
  expectError(() => make(4), 'ERR_SHAPE', /^Expected a multiple of 4 frames for video but got 6/);
  expectError(() => make(2, { timestepShift: 0 }), 'ERR_RANGE', /for timestepShift/);
  expectError(() => make(2, { logitNormalStd: -1 }), 'ERR_RANGE', /for logitNormalStd/);
  expectError(
    () => make(2, { timeSampling: 'normal' as never }),
    'ERR_ARGUMENT',
    /^Expected 'uniform' or 'logitNormal' for timeSampling but got 'normal'/,
  );
  clean.dispose();
});
