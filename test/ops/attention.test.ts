import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { attention } from '../../src/ops/attention';
import { attention as reference } from '../../src/reference';
import { type AttentionCase, attentionFloat64 } from '../support/attention_float64';
import {
  expectClose,
  expectError,
  expectNoLeak,
  normals,
  tolerance,
  useNativeBackend,
} from '../support/operations';

beforeAll(useNativeBackend);

function tensorsOf({ batch, queryTokens, keyTokens, heads, headDim }: AttentionCase) {
  const query: [number, number, number, number] = [batch, queryTokens, heads, headDim];
  const key: [number, number, number, number] = [batch, keyTokens, heads, headDim];
  const shapes = { q: query, k: key, v: key, dOut: query };
  const values = Object.entries(shapes).map(([, shape], at) =>
    normals(
      shape.reduce((a, b) => a * b),
      at + 1,
    ),
  );
  const [q, k, v, dOut] = Object.values(shapes).map((shape, at) => tf.tensor4d(values[at], shape));
  return { values, q, k, v, dOut };
}

const square = {
  batch: 1,
  queryTokens: 70,
  keyTokens: 70,
  heads: 1,
  headDim: 8,
  causal: false,
};
const cases: [string, AttentionCase][] = [
  ['one token', { ...square, queryTokens: 1, keyTokens: 1 }],
  ['tokens that fill no tile', { ...square, queryTokens: 5, keyTokens: 5 }],
  ['several tiles', { ...square, queryTokens: 211, keyTokens: 211, headDim: 16 }],
  ['whole tiles', { ...square, queryTokens: 192, keyTokens: 192, headDim: 16 }],
  ['heads and batch', { ...square, batch: 3, heads: 5, headDim: 32 }],
  ['an odd headDim', { ...square, batch: 2, heads: 3, headDim: 13 }],
  ['headDim 128', { ...square, headDim: 128, heads: 2 }],
  ['fewer keys than queries', { ...square, queryTokens: 150, keyTokens: 33, heads: 2 }],
  ['more keys than queries', { ...square, queryTokens: 45, keyTokens: 150, heads: 2 }],
  ['a scale of its own', { ...square, scale: 0.6 }],
];

describe.each(cases)('attention, %s', (_, settings) => {
  const { scale } = settings;
  const { values, q, k, v, dOut } = tensorsOf(settings);
  const wanted = attentionFloat64(settings, values[0], values[1], values[2], values[3]);

  test('matches float64', () => {
    const output = attention(q, k, v, { scale });
    expect(output.shape).toEqual(q.shape);
    expectClose(output, wanted.output, tolerance.output);
  });

  test('has gradients that match float64', () => {
    const [dq, dk, dv] = tf.grads((...xs: tf.Tensor[]) =>
      attention(xs[0] as tf.Tensor4D, xs[1] as tf.Tensor4D, xs[2] as tf.Tensor4D, { scale }),
    )([q, k, v], dOut);
    expectClose(dv, wanted.dv, tolerance.gradient);
    if (settings.keyTokens === 1) return;
    expectClose(dq, wanted.dq, tolerance.gradient);
    expectClose(dk, wanted.dk, tolerance.gradient);
  });
});

test('attention agrees with the reference', () => {
  const { q, k, v } = tensorsOf({ ...square, batch: 2, heads: 3, keyTokens: 41 });
  expectClose(attention(q, k, v), [...reference(q, k, v).dataSync()], tolerance.output);
});

test('attention leaves no tensor behind, forward and backward', () => {
  const { q, k, v, dOut } = tensorsOf(square);
  expectNoLeak(() => {
    attention(q, k, v).dispose();
    tf.dispose(tf.grads((a, b) => attention(a as tf.Tensor4D, k, b as tf.Tensor4D))([q, v], dOut));
  });
});

describe('attention refuses', () => {
  const { q, k, v } = tensorsOf(square);
  test.each([
    ['a rank', () => attention(tf.zeros([70, 1, 8]) as never, k, v)],
    ['other heads', () => attention(q, tf.zeros([1, 70, 2, 8]), v)],
    ['another batch', () => attention(q, tf.zeros([2, 70, 1, 8]), v)],
    ['v unlike k', () => attention(q, k, tf.zeros([1, 70, 1, 9]))],
    ['no tokens', () => attention(q, tf.zeros([1, 0, 1, 8]), tf.zeros([1, 0, 1, 8]))],
  ])('%s', (_, call) => expectError(call, 'ERR_SHAPE', /^Expected .+ for [qkv] but got/));

  test('a scale that is not finite', () =>
    expectError(
      () => attention(q, k, v, { scale: Number.NaN }),
      'ERR_RANGE',
      /^Expected a finite number for scale but got NaN/,
    ));
});
