import * as tf from '@tensorflow/tfjs-core';
import { rotaryEmbedding } from '../../src/ops/rotary_embedding';
import { axialRotaryTable, rotaryEmbeddingByTable } from '../../src/ops/rotary_table';
import {
  expectClose,
  expectError,
  expectNoLeak,
  normals,
  tolerance,
  useNativeBackend,
} from '../support/operations';

beforeAll(useNativeBackend);

const values = normals(2 * 6 * 3 * 12, 1);
const shape: [number, number, number, number] = [2, 6, 3, 12];

/** Two frames of a row of three places: the pairs of a head are shared 2, 3, 1. */
const axes = [
  { positions: [0, 0, 0, 1, 1, 1], pairs: 2 },
  { positions: [5, 6, 7, 5, 6, 7], pairs: 3 },
  { positions: [0, 0, 0, 0, 0, 0], pairs: 1 },
];
const pairAxes = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
  [1, 2],
  [2, 0],
];

/** In float64, by interleaved pairs; `direction` -1 turns back. */
function turned(x: number[], base: number, direction = 1): number[] {
  const y = x.slice();
  for (let row = 0; row < x.length / 12; row++) {
    const token = Math.floor(row / 3) % 6;
    pairAxes.forEach(([axis, i], pair) => {
      const { positions, pairs } = axes[axis];
      const angle = direction * positions[token] * base ** (-i / pairs);
      const [a, b] = [x[row * 12 + 2 * pair], x[row * 12 + 2 * pair + 1]];
      y[row * 12 + 2 * pair] = a * Math.cos(angle) - b * Math.sin(angle);
      y[row * 12 + 2 * pair + 1] = b * Math.cos(angle) + a * Math.sin(angle);
    });
  }
  return y;
}

test.each([10000, 50])('three axes on interleaved pairs match float64, base %p', (base) => {
  tf.tidy(() => {
    const table = axialRotaryTable(axes, base);
    const rotate = (x: tf.Tensor) =>
      rotaryEmbeddingByTable(x as tf.Tensor4D, table, { interleaved: true });
    const x = tf.tensor4d(values, shape);
    expectClose(rotate(x), turned(values, base), tolerance.output);
    const dy = normals(values.length, 2);
    const gradient = tf.grad(rotate)(x, tf.tensor4d(dy, shape));
    expectClose(gradient, turned(dy, base, -1), tolerance.gradient);
  });
});

test.each([false, true])('one axis is the embedding by position, interleaved %p', (interleaved) => {
  tf.tidy(() => {
    const x = tf.tensor4d(values, shape);
    const table = axialRotaryTable([{ positions: [4, 5, 6, 7, 8, 9], pairs: 6 }], 500);
    const wanted = rotaryEmbedding(x, { offset: 4, base: 500, interleaved });
    const actual = rotaryEmbeddingByTable(x, table, { interleaved });
    expectClose(actual, [...wanted.dataSync()], 1e-7);
  });
});

test('leaves no tensor behind, forward and backward', () => {
  const x = tf.tensor4d(values, shape);
  expectNoLeak(() => {
    const table = axialRotaryTable(axes);
    rotaryEmbeddingByTable(x, table).dispose();
    tf.grad((input) => rotaryEmbeddingByTable(input as tf.Tensor4D, table))(x, x).dispose();
    tf.dispose([table.cosines, table.sines]);
  });
});

test('refuses axes that do not fit together', () => {
  const positions = [0, 1];
  expectError(
    () =>
      axialRotaryTable([
        { positions, pairs: 1 },
        { positions: [0], pairs: 1 },
      ]),
    'ERR_SHAPE',
    /^Expected 2 positions for axes\[1\].positions but got 1/,
  );
  expectError(
    () => axialRotaryTable([{ positions, pairs: 0.5 }]),
    'ERR_RANGE',
    /^Expected a number of pairs for axes\[0\].pairs but got 0.5/,
  );
  expectError(() => axialRotaryTable([{ positions, pairs: 0 }]), 'ERR_SHAPE', /2 tokens, 0 pairs/);
  expectError(() => axialRotaryTable([]), 'ERR_SHAPE', /for axes but got/);
  expectError(() => axialRotaryTable(axes, 0), 'ERR_RANGE', /number above 0 for base/);
});

test('refuses a table of another size', () => {
  tf.tidy(() => {
    const table = axialRotaryTable(axes);
    const x = tf.ones([1, 5, 1, 12]) as tf.Tensor4D;
    expectError(
      () => rotaryEmbeddingByTable(x, table),
      'ERR_SHAPE',
      /^Expected shape \[5, 6\] for table.cosines but got shape \[6,6\]/,
    );
    const odd = tf.ones([1, 6, 1, 11]) as tf.Tensor4D;
    expectError(() => rotaryEmbeddingByTable(odd, table), 'ERR_SHAPE', /even headDim for x/);
  });
});
