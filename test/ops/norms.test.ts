import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { l2Norm, layerNorm, rmsNorm } from '../../src/ops/norms';
import { l2Norm as referenceL2Norm, rmsNorm as referenceRmsNorm } from '../../src/reference';
import {
  dot,
  expectClose,
  expectError,
  expectNoLeak,
  normals,
  numericalGradient,
  tolerance,
  useNativeBackend,
} from '../support/operations';

beforeAll(useNativeBackend);

type Row = (x: number[], weight: number[], bias: number[]) => number[];

const mean = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;
const norms: [string, (x: tf.Tensor, w?: tf.Tensor1D, b?: tf.Tensor1D) => tf.Tensor, Row][] = [
  [
    'rmsNorm',
    (x, weight) => rmsNorm(x, weight, 1e-5),
    (x, weight) => {
      const factor = 1 / Math.sqrt(dot(x, x) / x.length + 1e-5);
      return x.map((value, i) => value * factor * weight[i]);
    },
  ],
  [
    'layerNorm',
    (x, weight, bias) => layerNorm(x, weight, bias, 1e-5),
    (x, weight, bias) => {
      const centred = x.map((value) => value - mean(x));
      const factor = 1 / Math.sqrt(dot(centred, centred) / x.length + 1e-5);
      return centred.map((value, i) => value * factor * weight[i] + bias[i]);
    },
  ],
  [
    'l2Norm',
    (x) => l2Norm(x),
    (x) => {
      const factor = 1 / (Math.sqrt(dot(x, x)) + 1e-5);
      return x.map((value) => value * factor);
    },
  ],
];

/** Applies `row` to each row of x [rows, columns]. */
function byRow(row: Row, x: number[], columns: number, weight: number[], bias: number[]): number[] {
  return Array.from({ length: x.length / columns }, (_, r) =>
    row(x.slice(r * columns, (r + 1) * columns), weight, bias),
  ).flat();
}

describe.each(norms)('%s', (name, operation, row) => {
  const ones = (columns: number) => Array<number>(columns).fill(1);
  const zeros = (columns: number) => Array<number>(columns).fill(0);
  const parameters = { rmsNorm: 1, layerNorm: 2, l2Norm: 0 }[name] as number;

  test.each([
    [1, 2],
    [3, 5],
    [300, 16],
    [4, 64],
    [7, 131],
    [2, 768],
    [2, 4099],
  ])('matches float64 on %p rows of %p', (rows, columns) => {
    const x = normals(rows * columns, columns);
    const weight = parameters > 0 ? normals(columns, 5) : undefined;
    const bias = parameters > 1 ? normals(columns, 6) : undefined;
    const wanted = byRow(row, x, columns, weight ?? ones(columns), bias ?? zeros(columns));
    const y = operation(
      tf.tensor2d(x, [rows, columns]),
      weight && tf.tensor1d(weight),
      bias && tf.tensor1d(bias),
    );
    expectClose(y, wanted, tolerance.output);
  });

  test.each([
    [3, 5],
    [150, 3],
    [2, 70],
  ])('has gradients that match float64 on %p rows of %p', (rows, columns) => {
    const x = normals(rows * columns, columns);
    const dy = normals(rows * columns, 9);
    const weight = parameters > 0 ? normals(columns, 5) : ones(columns);
    const bias = parameters > 1 ? normals(columns, 6) : zeros(columns);
    const lossOfRow = (r: number, xRow: number[], w: number[], b: number[]) =>
      dot(row(xRow, w, b), dy.slice(r * columns, (r + 1) * columns));
    const xRows = Array.from({ length: rows }, (_, r) => x.slice(r * columns, (r + 1) * columns));
    const loss = (w: number[], b: number[]) =>
      xRows.reduce((sum, xRow, r) => sum + lossOfRow(r, xRow, w, b), 0);
    const wanted = [
      xRows.flatMap((xRow, r) => numericalGradient((at) => lossOfRow(r, at, weight, bias), xRow)),
      numericalGradient((at) => loss(at, bias), weight),
      numericalGradient((at) => loss(weight, at), bias),
    ].slice(0, 1 + parameters);
    const inputs = [tf.tensor2d(x, [rows, columns]), tf.tensor1d(weight), tf.tensor1d(bias)].slice(
      0,
      1 + parameters,
    );
    const gradients = tf.grads((input, w, b) =>
      operation(input, w as tf.Tensor1D, b as tf.Tensor1D),
    )(inputs, tf.tensor2d(dy, [rows, columns]));
    gradients.forEach((gradient, i) => {
      expect(gradient.shape).toEqual(inputs[i].shape);
      expectClose(gradient, wanted[i], tolerance.gradient);
    });
  });

  test('keeps the shape of any rank and needs no weight', () => {
    const x = normals(2 * 3 * 4 * 5, 3);
    const y = operation(tf.tensor4d(x, [2, 3, 4, 5]));
    expect(y.shape).toEqual([2, 3, 4, 5]);
    expectClose(y, byRow(row, x, 5, ones(5), zeros(5)), tolerance.output);
    expect(operation(tf.zeros([0, 5])).shape).toEqual([0, 5]);
  });

  test('keeps rows of zeros finite, gradients too', () => {
    const x = tf.zeros([2, 9]);
    expect([...operation(x).dataSync()]).toEqual(Array(18).fill(0));
    const gradient = tf.grad((input) => operation(input))(x, tf.ones([2, 9]));
    expect([...gradient.dataSync()].every(Number.isFinite)).toBe(true);
  });

  test('takes rows of very small and very large numbers', () => {
    for (const size of [1e-12, 1e12]) {
      const x = normals(40, 4).map((value) => Math.fround(value * size));
      const wanted = byRow(row, x, 20, ones(20), zeros(20));
      expectClose(operation(tf.tensor2d(x, [2, 20])), wanted, tolerance.output);
    }
  });

  test('leaves no tensor behind, forward and backward', () => {
    const x = tf.tensor2d(normals(40, 4), [2, 20]);
    const dy = tf.ones([2, 20]);
    expectNoLeak(() => {
      operation(x).dispose();
      tf.grad((input) => operation(input))(x, dy).dispose();
    });
  });
});

test('rmsNorm and l2Norm agree with the reference', () => {
  const x = tf.tensor3d(normals(2 * 7 * 24, 1), [2, 7, 24]);
  const weight = tf.tensor1d(normals(24, 2));
  const wantedRms = [...referenceRmsNorm(x, weight, 1e-6).dataSync()];
  expectClose(rmsNorm(x, weight, 1e-6), wantedRms, tolerance.output);
  expectClose(l2Norm(x), [...referenceL2Norm(x).dataSync()], tolerance.output);
});

describe('norms refuse', () => {
  const x = tf.ones([2, 4]);

  test('a scalar', () =>
    expectError(() => l2Norm(tf.scalar(1)), 'ERR_SHAPE', /^Expected one axis or more for x/));

  test('a weight of another size', () =>
    expectError(
      () => rmsNorm(x, tf.ones([5])),
      'ERR_SHAPE',
      /^Expected shape \[4\] for weight but got shape \[5\]/,
    ));

  test('a bias without a weight', () =>
    expectError(() => layerNorm(x, undefined, tf.ones([4])), 'ERR_ARGUMENT', /for bias but got/));

  test.each([-1, Number.NaN])('an epsilon of %p', (epsilon) =>
    expectError(() => l2Norm(x, epsilon), 'ERR_RANGE', /number.* for epsilon but got/),
  );

  test('another dtype', () =>
    expectError(() => l2Norm(tf.cast(x, 'int32')), 'ERR_DTYPE', /float32 for x but got int32/));

  test('another backend', async () => {
    await tf.setBackend('cpu');
    try {
      expectError(() => layerNorm(x), 'ERR_DEVICE_UNAVAILABLE', /for layerNorm but got/);
    } finally {
      await useNativeBackend();
    }
  });
});
