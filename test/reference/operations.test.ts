import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';
import type { FastWeightScanOptions } from '../../src/ops/fast_weight_scan';
import {
  fastWeightScan,
  l2Norm,
  newtonSchulz,
  newtonSchulzTriples,
  rmsNorm,
  rotaryEmbedding,
  shiftedCausalProgram,
  slidingWindowAttention,
  stepSizes,
} from '../../src/reference';
import { relativeError } from '../../src/verify/compare';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const normal3 = (shape: [number, number, number], seed: number) =>
  tf.randomNormal<tf.Rank.R3>(shape, 0, 1, 'float32', seed);
const normal4 = (shape: [number, number, number, number], seed: number) =>
  tf.randomNormal<tf.Rank.R4>(shape, 0, 1, 'float32', seed);

describe('slidingWindowAttention', () => {
  const [tokens, dim] = [9, 4];

  /** One head in float64, each query over the keys in its window only. */
  function byHand(q: number[][], k: number[][], v: number[][], window: number): number[] {
    return q.flatMap((query, i) => {
      const first = window > 0 ? Math.max(0, i - window + 1) : 0;
      const seen = Array.from({ length: i - first + 1 }, (_, at) => first + at);
      const weights = seen.map((j) =>
        Math.exp(query.reduce((sum, x, c) => sum + x * k[j][c], 0) / Math.sqrt(dim)),
      );
      const total = weights.reduce((a, b) => a + b);
      return Array.from({ length: dim }, (_, c) =>
        seen.reduce((sum, j, at) => sum + (weights[at] / total) * v[j][c], 0),
      );
    });
  }

  test.each([0, 1, 3, 9, 100])('window %d equals attention over the window alone', (window) => {
    tf.tidy(() => {
      const [q, k, v] = [1, 2, 3].map((seed) => normal4([2, tokens, 3, dim], seed));
      const output = slidingWindowAttention(q, k, v, window);
      const head = (x: tf.Tensor4D) =>
        tf.squeeze(tf.slice(x, [1, 0, 2, 0], [1, tokens, 1, dim]), [0, 2]) as tf.Tensor2D;
      const [qs, ks, vs] = [q, k, v].map((x) => head(x).arraySync());
      expect(relativeError(head(output).dataSync(), byHand(qs, ks, vs, window))).toBeLessThan(5e-7);
    });
  });
});

describe('rotaryEmbedding', () => {
  test('keeps norms, and products depend on the distance alone', () => {
    tf.tidy(() => {
      const [x, y] = [4, 5].map((seed) => tf.tile(normal4([1, 1, 2, 6], seed), [1, 7, 1, 1]));
      const [rx, ry] = [x, y].map((z) => rotaryEmbedding(z as tf.Tensor4D, 100));
      expect(relativeError(tf.norm(rx, 2, 3).dataSync(), tf.norm(x, 2, 3).dataSync())).toBeLessThan(
        1e-6,
      );
      const later = rotaryEmbedding(x as tf.Tensor4D, 100, 3);
      const latter = rotaryEmbedding(y as tf.Tensor4D, 100, 3);
      const product = (a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(a, b), 3).dataSync();
      expect(relativeError(product(later, latter), product(rx, ry))).toBeLessThan(1e-6);
    });
  });

  test('an offset continues the positions', () => {
    tf.tidy(() => {
      const x = normal4([2, 8, 1, 4], 6);
      const tail = rotaryEmbedding(tf.slice(x, [0, 5, 0, 0]), 1e4, 5);
      const whole = tf.slice(rotaryEmbedding(x, 1e4), [0, 5, 0, 0]);
      expect(tail.arraySync()).toEqual(whole.arraySync());
    });
  });

  test('turns the half-split pair (x_i, x_{i + d/2}) by its angle', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([1, 0, 0, 0], [1, 1, 1, 4]);
      const [a, , c] = rotaryEmbedding(x, 10, 2).dataSync();
      expect(a).toBeCloseTo(Math.cos(2), 6);
      expect(c).toBeCloseTo(Math.sin(2), 6);
    });
  });
});

describe('norms and step sizes', () => {
  test('rmsNorm', () => {
    const y = tf.tidy(() => rmsNorm(tf.tensor2d([[3, 4]]), tf.tensor1d([1, 2]), 0.5).dataSync());
    expect(y[0]).toBeCloseTo(3 / Math.sqrt(13), 6);
    expect(y[1]).toBeCloseTo(8 / Math.sqrt(13), 6);
  });

  test('l2Norm, with a gradient of 1 / 1e-5 at zero', () => {
    tf.tidy(() => {
      expect(l2Norm(tf.tensor2d([[3, 4]])).dataSync()[1]).toBeCloseTo(4 / 5.00001, 6);
      const slope = tf.grad((x) => tf.sum(l2Norm(x)))(tf.zeros([1, 2]));
      expect([...slope.dataSync()].map(Math.round)).toEqual([100000, 100000]);
    });
  });

  test('a zero projection gives the base step size', () => {
    const value = tf.tidy(() => stepSizes(tf.zeros([1]), 0.001).dataSync()[0]);
    expect(Math.abs(value / 0.001 - 1)).toBeLessThan(1e-6);
  });
});

describe('newtonSchulz', () => {
  test('brings every singular value near 1, on either orientation', () => {
    tf.tidy(() => {
      const x = normal3([2, 12, 5], 7);
      const y = newtonSchulz(x, 'you5');
      const gram = tf.matMul(y, y, true, false).arraySync() as number[][][];
      for (const [i, row] of gram.flat().entries()) {
        for (const [j, value] of row.entries()) {
          expect(Math.abs(value - (i % 5 === j ? 1 : 0))).toBeLessThan(0.2);
        }
      }
      const turned = newtonSchulz(tf.transpose(x, [0, 2, 1]), 'you5');
      expect(tf.transpose(turned, [0, 2, 1]).arraySync()).toEqual(y.arraySync());
    });
  });

  test('a zero matrix stays zero and has a finite gradient', () => {
    tf.tidy(() => {
      const zero = tf.zeros<tf.Rank.R3>([1, 3, 4]);
      expect([...newtonSchulz(zero, 'keller3').dataSync()].every((x) => x === 0)).toBe(true);
      const slope = tf.grad((x) => tf.sum(newtonSchulz(x as tf.Tensor3D, 'keller3')))(zero);
      expect([...slope.dataSync()].every(Number.isFinite)).toBe(true);
    });
  });

  test('schedules by name and by triples', () => {
    expect(newtonSchulzTriples('keller3')).toEqual(Array(3).fill([3.4445, -4.775, 2.0315]));
    expect(newtonSchulzTriples([[1, 2, 3]])).toEqual([[1, 2, 3]]);
    expect(() => newtonSchulzTriples('keller0')).toThrow("for newtonSchulz but got 'keller0'");
  });
});

describe('fastWeightScan', () => {
  const [rows, tokens, keyDim, hidden, valueDim] = [2, 24, 6, 10, 8];
  const inputs = () => ({
    q: normal3([rows, tokens, keyDim], 11),
    k: normal3([rows, tokens, keyDim], 12),
    v: normal3([rows, tokens, valueDim], 13),
    rates: tf.mul(tf.abs(normal3([rows, tokens, 3], 14)), 0.1) as tf.Tensor3D,
    momentum: tf.sigmoid(normal3([rows, tokens, 1], 15)),
  });
  const weights = () => ({
    w0: normal3([rows, hidden, keyDim], 16),
    w1: normal3([rows, valueDim, hidden], 17),
    w2: normal3([rows, hidden, keyDim], 18),
  });

  test('with zero rates every program only reads the initial weights', () => {
    tf.tidy(() => {
      const still = { ...inputs(), rates: tf.zeros<tf.Rank.R3>([rows, tokens, 3]) };
      const once = [{ kind: 'apply', start: 0, end: tokens } as const];
      const read = fastWeightScan(still, weights(), once).output;
      for (const weightNorm of ['post', 'pre', 'none'] as const) {
        const options = { weightNorm, optimizer: 'muon' } as const;
        const program = shiftedCausalProgram(tokens, 5);
        const scanned = fastWeightScan(still, weights(), program, options).output;
        expect(relativeError(scanned.dataSync(), read.dataSync())).toBeLessThan(2e-5);
      }
    });
  });

  test('the output before a token does not depend on it (causal programs)', () => {
    tf.tidy(() => {
      const program = shiftedCausalProgram(tokens, 8);
      const given = inputs();
      const head = (x: tf.Tensor3D) => tf.slice(x, [0, 0, 0], [-1, 16, -1]).arraySync();
      const changed = tf.concat(
        [tf.slice(given.k, [0, 0, 0], [-1, 8, -1]), normal3([rows, 16, keyDim], 19)],
        1,
      );
      const before = fastWeightScan(given, weights(), program).output;
      const after = fastWeightScan({ ...given, k: changed }, weights(), program).output;
      expect(head(after)).toEqual(head(before));
      expect(after.arraySync()).not.toEqual(before.arraySync());
    });
  });

  test('each row is by itself', () => {
    tf.tidy(() => {
      const row = <T extends object>(from: T) =>
        Object.fromEntries(
          Object.entries(from).map(([name, x]) => [name, tf.slice(x, [1, 0, 0], [1, -1, -1])]),
        ) as T;
      const program = shiftedCausalProgram(tokens, 7);
      const options: FastWeightScanOptions = { optimizer: 'muon' };
      const both = fastWeightScan(inputs(), weights(), program, options).output;
      const alone = fastWeightScan(row(inputs()), row(weights()), program, options).output;
      expect(alone.arraySync()[0]).toEqual(both.arraySync()[1]);
    });
  });

  test('row norms stay what they were', () => {
    tf.tidy(() => {
      const initial = weights();
      const done = fastWeightScan(inputs(), initial, shiftedCausalProgram(tokens, 8));
      const norms = (w: tf.Tensor3D) => tf.norm(w, 2, 2).dataSync();
      expect(relativeError(norms(done.state.weights.w1), norms(initial.w1))).toBeLessThan(1e-5);
    });
  });

  test('what it returns is new, and the only thing left', () => {
    const [given, initial] = [inputs(), weights()];
    const before = tf.memory().numTensors;
    const { output, state } = fastWeightScan(given, initial, [
      { kind: 'apply', start: 0, end: tokens },
    ]);
    expect(tf.memory().numTensors).toBe(before + 10);
    tf.dispose([output, state] as unknown as tf.TensorContainer);
    expect(tf.memory().numTensors).toBe(before);
    expect(initial.w0.isDisposed).toBe(false);
    tf.dispose([given, initial]);
  });
});

describe('shiftedCausalProgram', () => {
  test.each([
    [10, 32, 1],
    [32, 32, 1],
    [33, 32, 3],
    [96, 32, 5],
  ])('%d tokens in chunks of %d is %d steps', (tokens, chunk, steps) => {
    const program = shiftedCausalProgram(tokens, chunk);
    expect(program).toHaveLength(steps);
    expect(program.at(-1)).toMatchObject({ kind: 'apply', end: tokens });
  });
});
