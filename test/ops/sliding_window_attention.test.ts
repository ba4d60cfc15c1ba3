import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { slidingWindowAttention } from '../../src/ops/sliding_window_attention';
import { slidingWindowAttention as reference } from '../../src/reference';
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

function tensorsOf({ batch, queryTokens, keyTokens, heads, headDim }: AttentionCase, seed = 1) {
  const query: [number, number, number, number] = [batch, queryTokens, heads, headDim];
  const key: [number, number, number, number] = [batch, keyTokens, heads, headDim];
  const count = (shape: number[]) => shape.reduce((a, b) => a * b);
  const values = {
    q: normals(count(query), seed),
    k: normals(count(key), seed + 1),
    v: normals(count(key), seed + 2),
    dOut: normals(count(query), seed + 3),
  };
  const tensors = {
    q: tf.tensor4d(values.q, query),
    k: tf.tensor4d(values.k, key),
    v: tf.tensor4d(values.v, key),
    dOut: tf.tensor4d(values.dOut, query),
  };
  return { values, tensors };
}

const square = { batch: 1, queryTokens: 70, keyTokens: 70, heads: 1, headDim: 8 };
const cases: [string, AttentionCase][] = [
  ['one token', { ...square, queryTokens: 1, keyTokens: 1 }],
  ['window 1', { ...square, window: 1 }],
  ['window 2', { ...square, window: 2 }],
  ['a window inside a tile', { ...square, window: 13 }],
  ['a window of several tiles', { ...square, queryTokens: 300, keyTokens: 300, window: 131 }],
  ['a window beyond the tokens', { ...square, window: 1000 }],
  ['no window', { ...square, queryTokens: 211, keyTokens: 211, headDim: 16 }],
  ['heads and batch', { ...square, batch: 3, heads: 5, headDim: 32, window: 40 }],
  ['an odd headDim', { ...square, batch: 2, heads: 3, headDim: 13, window: 33 }],
  ['headDim 1', { ...square, headDim: 1, heads: 2 }],
  ['headDim 128', { ...square, headDim: 128, heads: 2, window: 50 }],
  ['one query at the end of a cache', { ...square, queryTokens: 1, keyTokens: 150, window: 64 }],
  ['more keys than queries', { ...square, queryTokens: 45, keyTokens: 150, heads: 2, window: 61 }],
  ['more keys than a window reaches', { ...square, queryTokens: 3, keyTokens: 250, window: 7 }],
  ['a scale of its own', { ...square, scale: 0.6, window: 20 }],
];

describe.each(cases)('slidingWindowAttention, %s', (_, settings) => {
  const { window, scale } = settings;
  const { values, tensors } = tensorsOf(settings);
  const wanted = attentionFloat64(settings, values.q, values.k, values.v, values.dOut);

  test('matches float64', () => {
    const output = slidingWindowAttention(tensors.q, tensors.k, tensors.v, { window, scale });
    expect(output.shape).toEqual(tensors.q.shape);
    expectClose(output, wanted.output, tolerance.output);
  });

  test('has gradients that match float64', () => {
    const [dq, dk, dv] = tf.grads((q, k, v) =>
      slidingWindowAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, {
        window,
        scale,
      }),
    )([tensors.q, tensors.k, tensors.v], tensors.dOut);
    expectClose(dv, wanted.dv, tolerance.gradient);
    // Where a token sees itself alone the scores have no gradient at all.
    const alone = window === 1 || settings.keyTokens === 1;
    if (alone) {
      for (const gradient of [dq, dk]) {
        expect(Math.max(...gradient.dataSync().map(Math.abs))).toBeLessThan(1e-5);
      }
    } else {
      expectClose(dq, wanted.dq, tolerance.gradient);
      expectClose(dk, wanted.dk, tolerance.gradient);
    }
  });
});

describe('slidingWindowAttention', () => {
  test('agrees with the reference', async () => {
    const settings = { ...square, batch: 2, heads: 2, window: 24 };
    const { tensors } = tensorsOf(settings);
    const output = slidingWindowAttention(tensors.q, tensors.k, tensors.v, { window: 24 });
    const other = reference(tensors.q, tensors.k, tensors.v, 24);
    expectClose(output, [...other.dataSync()], tolerance.output);
  });

  test('survives scores far apart', () => {
    const { values, tensors } = tensorsOf({ ...square, scale: 30 });
    const wanted = attentionFloat64({ ...square, scale: 30 }, values.q, values.k, values.v, []);
    const output = slidingWindowAttention(tensors.q, tensors.k, tensors.v, { scale: 30 });
    expectClose(output, wanted.output, 1e-4);
  });

  test('shows a NaN only to the queries that see it', () => {
    const { tensors } = tensorsOf({ ...square, window: 5 });
    const k = tensors.k.dataSync().slice();
    k[10 * 8] = Number.NaN;
    const output = slidingWindowAttention(tensors.q, tf.tensor4d(k, [1, 70, 1, 8]), tensors.v, {
      window: 5,
    });
    const poisoned = [...output.dataSync()].map(Number.isNaN);
    const tokens = Array.from({ length: 70 }, (_, t) => poisoned[t * 8]);
    expect(tokens.flatMap((is, t) => (is ? [t] : []))).toEqual([10, 11, 12, 13, 14]);
  });

  test('leaves no tensor behind, forward and backward', () => {
    const { tensors } = tensorsOf({ ...square, window: 9 });
    const { q, k, v } = tensors;
    expectNoLeak(() => {
      slidingWindowAttention(q, k, v, { window: 9 }).dispose();
      const { value, grads } = tf.variableGrads(
        () => tf.sum(slidingWindowAttention(q, k, variable, { window: 9 })) as tf.Scalar,
        [variable],
      );
      value.dispose();
      tf.dispose(grads);
    });
  });

  let variable: tf.Variable<tf.Rank.R4>;
  beforeAll(() => {
    variable = tf.variable(tensorsOf(square).tensors.v);
  });
});

describe('slidingWindowAttention refuses', () => {
  const { tensors } = tensorsOf(square);
  const { q, k, v } = tensors;

  test.each([
    ['a rank', () => slidingWindowAttention(tf.zeros([70, 1, 8]) as never, k, v)],
    ['other heads', () => slidingWindowAttention(q, tf.zeros([1, 70, 2, 8]), v)],
    ['another batch', () => slidingWindowAttention(q, tf.zeros([2, 70, 1, 8]), v)],
    ['v unlike k', () => slidingWindowAttention(q, k, tf.zeros([1, 70, 1, 9]))],
    ['no tokens', () => slidingWindowAttention(tf.zeros([1, 0, 1, 8]), k, v)],
    [
      'fewer keys than queries',
      () => slidingWindowAttention(q, tf.ones([1, 3, 1, 8]), tf.ones([1, 3, 1, 8])),
    ],
  ])('%s', (_, call) => expectError(call, 'ERR_SHAPE', /^Expected .+ for [qkv] but got/));

  test.each([0, -3, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('a window of %p', (window) =>
    expectError(
      () => slidingWindowAttention(q, k, v, { window }),
      'ERR_RANGE',
      /^Expected .+ number.* for window but got/,
    ),
  );

  test('a scale that is not finite', () =>
    expectError(
      () => slidingWindowAttention(q, k, v, { scale: Number.NaN }),
      'ERR_RANGE',
      /^Expected a finite number for scale but got NaN/,
    ));

  test('another dtype', () =>
    expectError(
      () => slidingWindowAttention(q, tf.cast(k, 'int32'), v),
      'ERR_DTYPE',
      /^Expected dtype float32 for k but got int32/,
    ));

  test('a disposed tensor', () => {
    const gone = tf.clone(v);
    gone.dispose();
    expectError(() => slidingWindowAttention(q, k, gone), 'ERR_DISPOSED', /live tensor for v/);
  });

  test('what is no tensor', () =>
    expectError(
      () => slidingWindowAttention(q, [1, 2] as never, v),
      'ERR_ARGUMENT',
      /^Expected a tensor for k but got/,
    ));

  test('another backend', async () => {
    await tf.setBackend('cpu');
    try {
      expectError(
        () => slidingWindowAttention(q, k, v),
        'ERR_DEVICE_UNAVAILABLE',
        /for slidingWindowAttention but got backend 'cpu'.*setBackend/,
      );
    } finally {
      await useNativeBackend();
    }
  });
});

describe.each([
  [[1, 1], 4],
  [[40, 1, 3, 100, 26], 33],
  [[5, 7, 11, 2, 64, 31], 1000],
  [[200, 90], 1],
])('documents of %j tokens in one sequence, window %d', (lengths, window) => {
  const starts = lengths.map((_, at) => lengths.slice(0, at).reduce((sum, n) => sum + n, 0));
  const tokens = lengths.reduce((sum, n) => sum + n);
  const settings = { batch: 2, queryTokens: tokens, keyTokens: tokens, heads: 2, headDim: 12 };
  const { tensors } = tensorsOf(settings);
  const row = lengths.flatMap((length, at) => new Array<number>(length).fill(starts[at]));
  const attend = (firstKeys?: tf.Tensor2D) => (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) =>
    slidingWindowAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, {
      window,
      firstKeys,
    });
  const together = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) =>
    attend(tf.tensor2d([row, row], undefined, 'int32'))(q, k, v);
  const apart = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => {
    const [qs, ks, vs] = [q, k, v].map((x) => tf.split(x, lengths, 1));
    return tf.concat(
      qs.map((part, at) => attend()(part, ks[at], vs[at])),
      1,
    );
  };

  test('gives what each document alone gives', () => {
    tf.tidy(() => {
      const { q, k, v, dOut } = tensors;
      expectClose(together(q, k, v), [...apart(q, k, v).dataSync()], tolerance.output);
      const [packed, alone] = [together, apart].map((f) => tf.grads(f)([q, k, v], dOut));
      packed.forEach((gradient, at) => {
        expectClose(gradient, [...alone[at].dataSync()], tolerance.gradient);
      });
    });
  });
});

test('padding before a sequence changes nothing', () => {
  tf.tidy(() => {
    const settings = { batch: 1, queryTokens: 20, keyTokens: 50, heads: 2, headDim: 8 };
    const { q, k, v } = tensorsOf(settings).tensors;
    const wanted = slidingWindowAttention(q, k, v, { window: 45 });
    const padding = [0, 0] as [number, number];
    const padded = [q, k, v].map((x) => tf.pad4d(x, [padding, [70, 0], padding, padding]));
    // A token of padding sees itself.
    const firstKeys = Array.from({ length: 90 }, (_, at) => Math.min(at + 30, 70));
    const [output] = tf.split(
      slidingWindowAttention(padded[0], padded[1], padded[2], {
        window: 45,
        firstKeys: tf.tensor2d(firstKeys, [1, 90], 'int32'),
      }).slice([0, 70]),
      1,
    );
    expectClose(output, [...wanted.dataSync()], tolerance.output);
  });
});

test('first keys of another shape or dtype are refused', () => {
  tf.tidy(() => {
    const { q, k, v } = tensorsOf(square).tensors;
    const attend = (firstKeys: tf.Tensor) => () =>
      slidingWindowAttention(q, k, v, { firstKeys: firstKeys as tf.Tensor2D });
    expectError(attend(tf.zeros([1, 3], 'int32')), 'ERR_SHAPE', /\[1, 70\] for firstKeys/);
    expectError(attend(tf.zeros([1, 70])), 'ERR_DTYPE', /int32 for firstKeys/);
  });
});
