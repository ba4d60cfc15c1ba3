import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { type RotaryEmbeddingOptions, rotaryEmbedding } from '../../src/ops/rotary_embedding';
import { rotaryEmbedding as reference } from '../../src/reference';
import {
  expectClose,
  expectError,
  expectNoLeak,
  normals,
  tolerance,
  useNativeBackend,
} from '../support/operations';

beforeAll(useNativeBackend);

type Shape = [batch: number, tokens: number, heads: number, headDim: number];

/** In float64; `direction` -1 turns back. */
function turned(x: number[], shape: Shape, options: RotaryEmbeddingOptions, direction = 1) {
  const { base = 10000, offset = 0, interleaved = false } = options;
  const [, tokens, heads, headDim] = shape;
  const half = headDim / 2;
  const y = x.slice();
  for (let row = 0; row < x.length / headDim; row++) {
    const position = offset + (Math.floor(row / heads) % tokens);
    for (let i = 0; i < half; i++) {
      const angle = direction * position * base ** ((-2 * i) / headDim);
      const first = row * headDim + (interleaved ? 2 * i : i);
      const second = first + (interleaved ? 1 : half);
      y[first] = x[first] * Math.cos(angle) - x[second] * Math.sin(angle);
      y[second] = x[second] * Math.cos(angle) + x[first] * Math.sin(angle);
    }
  }
  return y;
}

const cases: [string, Shape, RotaryEmbeddingOptions][] = [
  ['defaults', [2, 33, 3, 16], {}],
  ['headDim 2', [1, 5, 2, 2], {}],
  ['a headDim between vectors', [1, 9, 2, 46], {}],
  ['another base', [1, 17, 2, 32], { base: 500000 }],
  ['a far offset', [1, 3, 2, 64], { offset: 1_000_003 }],
  ['interleaved pairs', [2, 21, 3, 20], { interleaved: true, offset: 4 }],
  ['more tokens than a table holds at once', [1, 600, 1, 64], {}],
];

describe.each(cases)('rotaryEmbedding, %s', (_, shape, options) => {
  const values = normals(
    shape.reduce((a, b) => a * b),
    1,
  );

  test('matches float64', () => {
    const x = tf.tensor4d(values, shape);
    expectClose(rotaryEmbedding(x, options), turned(values, shape, options), tolerance.output);
  });

  test('has the gradient that turns back', () => {
    const dy = normals(values.length, 2);
    const gradient = tf.grad((x) => rotaryEmbedding(x as tf.Tensor4D, options))(
      tf.tensor4d(values, shape),
      tf.tensor4d(dy, shape),
    );
    expectClose(gradient, turned(dy, shape, options, -1), tolerance.gradient);
  });
});

describe('rotaryEmbedding', () => {
  test('agrees with the reference', () => {
    const x = tf.tensor4d(normals(2 * 11 * 3 * 8, 1), [2, 11, 3, 8]);
    const wanted = [...reference(x, 10000, 7).dataSync()];
    expectClose(rotaryEmbedding(x, { offset: 7 }), wanted, tolerance.output);
  });

  test('of a token alone equals its place in a sequence, bit for bit', () => {
    const values = normals(40 * 256, 3);
    const all = rotaryEmbedding(tf.tensor4d(values, [1, 40, 1, 256])).dataSync();
    const token = tf.tensor4d(values.slice(29 * 256, 30 * 256), [1, 1, 1, 256]);
    const alone = rotaryEmbedding(token, { offset: 29 }).dataSync();
    expect([...alone]).toEqual([...all.slice(29 * 256, 30 * 256)]);
  });

  test('leaves no tensor behind, forward and backward', () => {
    const x = tf.tensor4d(normals(64, 4), [1, 4, 2, 8]);
    expectNoLeak(() => {
      rotaryEmbedding(x).dispose();
      tf.grad((input) => rotaryEmbedding(input as tf.Tensor4D))(x, x).dispose();
    });
  });

  const x = tf.ones([1, 2, 1, 4]) as tf.Tensor4D;

  test('refuses an odd headDim', () =>
    expectError(
      () => rotaryEmbedding(tf.ones([1, 2, 1, 5])),
      'ERR_SHAPE',
      /^Expected an even headDim for x but got 5/,
    ));

  test.each([0, -1, Number.NaN])('refuses a base of %p', (base) =>
    expectError(() => rotaryEmbedding(x, { base }), 'ERR_RANGE', /number.* for base but got/),
  );

  test.each([-1, 0.5])('refuses an offset of %p', (offset) =>
    expectError(() => rotaryEmbedding(x, { offset }), 'ERR_RANGE', /whole number.* for offset/),
  );

  test('refuses another rank', () =>
    expectError(() => rotaryEmbedding(tf.ones([2, 4]) as never), 'ERR_SHAPE', /for x but got/));

  test('refuses what is no boolean', () =>
    expectError(
      () => rotaryEmbedding(x, { interleaved: 1 as never }),
      'ERR_ARGUMENT',
      /for interleaved but got/,
    ));
});
