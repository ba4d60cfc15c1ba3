import * as tf from '@tensorflow/tfjs-core';
import { Sampler, type SamplerOptions } from '../../src';
import { expectError } from '../support/operations';

const probabilities = [0.05, 0.4, 0.1, 0.25, 0.2];
const logits = (batch = 1) =>
  tf.tensor2d(new Array(batch).fill(probabilities.map((p) => Math.log(p) + 3)));

/** Shares of each token among many draws. */
function shares(options: SamplerOptions): number[] {
  return tf.tidy(() => {
    const sampler = new Sampler({ seed: 1, ...options });
    const rows = logits(500);
    const counts = probabilities.map(() => 0);
    for (let time = 0; time < 40; time++) for (const token of sampler.draw(rows)) counts[token]++;
    return counts.map((count) => count / 20000);
  });
}

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
});

const close = (got: number[], wanted: number[]) =>
  got.forEach((share, token) => {
    if (wanted[token] === 0) expect(share).toBe(0);
    expect(Math.abs(share - wanted[token])).toBeLessThan(0.02);
  });

test('draws follow the probabilities', () => close(shares({}), probabilities));

test('a temperature sharpens them', () => {
  const squared = probabilities.map((p) => p ** 2);
  const total = squared.reduce((a, b) => a + b);
  close(
    shares({ temperature: 0.5 }),
    squared.map((p) => p / total),
  );
  expect(shares({ temperature: 0 })).toEqual([0, 1, 0, 0, 0]);
});

test('topK and topP leave the unlikely out', () => {
  close(shares({ topK: 2 }), [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]);
  expect(shares({ topK: 1 })).toEqual([0, 1, 0, 0, 0]);
  close(shares({ topP: 0.8 }), [0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85]);
  expect(shares({ topP: 0.3 })).toEqual([0, 1, 0, 0, 0]);
  close(shares({ topK: 3, topP: 0.7 }), [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]);
});

test('a sequence draws what it draws alone with its own seed', () => {
  tf.tidy(() => {
    const draws = (sampler: Sampler, batch: number) =>
      Array.from({ length: 20 }, () => sampler.draw(logits(batch)));
    const together = draws(new Sampler({ seed: 7 }), 3);
    expect(draws(new Sampler({ seed: 7 }), 3)).toEqual(together);
    [0, 1, 2].forEach((b) => {
      const alone = draws(new Sampler({ seed: 7 + b }), 1);
      expect(alone.flat()).toEqual(together.map((tokens) => tokens[b]));
    });
  });
});

test('wrong options and logits are refused', () => {
  tf.tidy(() => {
    expectError(() => new Sampler({ temperature: -1 }), 'ERR_RANGE', /temperature/);
    expectError(() => new Sampler({ topK: 1.5 }), 'ERR_RANGE', /topK/);
    expectError(() => new Sampler({ topP: 0 }), 'ERR_RANGE', /topP/);
    expectError(() => new Sampler({ topP: 1.1 }), 'ERR_RANGE', /topP/);
    expectError(() => new Sampler({ seed: 0.5 }), 'ERR_ARGUMENT', /seed/);
    const sampler = new Sampler();
    const wrong = (values: number[]) => () => sampler.draw(tf.tensor2d([values]));
    expectError(wrong([1, Number.NaN]), 'ERR_NON_FINITE', /NaN/);
    expectError(wrong([-Infinity, -Infinity]), 'ERR_NON_FINITE', /a finite number/);
    expectError(() => sampler.draw(tf.tensor1d([1]) as never), 'ERR_SHAPE', /logits/);
  });
});
