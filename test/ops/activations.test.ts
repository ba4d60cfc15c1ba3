import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { gelu, geluTanh, silu, softplus, stepSizes, swiglu } from '../../src/ops/activations';
import { silu as referenceSilu, stepSizes as referenceStepSizes } from '../../src/reference';
import {
  expectClose,
  expectError,
  expectNoLeak,
  normals,
  tolerance,
  useNativeBackend,
} from '../support/operations';

beforeAll(useNativeBackend);

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const normalDensity = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
/** Phi(x) = 1/2 + Phi'(x) (x + x^3 / 3 + x^5 / (3 5) + ...), Abramowitz and Stegun 26.2.11. */
function normalDistribution(x: number): number {
  if (Math.abs(x) > 12) return x < 0 ? 0 : 1;
  let sum = 0;
  let term = x;
  for (let odd = 3; sum + term !== sum; odd += 2) {
    sum += term;
    term *= (x * x) / odd;
  }
  return 0.5 + normalDensity(x) * sum;
}
/** The tanh of the approximate gelu, and its derivative. */
const tanhInside = (x: number) => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
const tanhSlope = (x: number) => Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x ** 2);
/** 1 + tanh(x) without cancellation. */
const onePlusTanh = (x: number) => 2 / (1 + Math.exp(-2 * x));

const functions = {
  gelu: (x: number) => x * normalDistribution(x),
  geluTanh: (x: number) => 0.5 * x * onePlusTanh(tanhInside(x)),
  silu: (x: number) => x * sigmoid(x),
  softplus: (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
};
const derivatives = {
  gelu: (x: number) => normalDistribution(x) + x * normalDensity(x),
  geluTanh: (x: number) => {
    const slope = onePlusTanh(tanhInside(x)) * onePlusTanh(-tanhInside(x)) * tanhSlope(x);
    return 0.5 * onePlusTanh(tanhInside(x)) + 0.5 * x * slope;
  },
  silu: (x: number) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  softplus: sigmoid,
};
const unary: [keyof typeof functions, (x: tf.Tensor) => tf.Tensor][] = [
  ['gelu', (x) => gelu(x)],
  ['geluTanh', (x) => geluTanh(x)],
  ['silu', (x) => silu(x)],
  ['softplus', (x) => softplus(x)],
];

describe.each(unary)('%s', (name, operation) => {
  test.each([1, 15, 64, 1000, 100_003])('matches float64 on %p numbers', (count) => {
    const x = normals(count, 1).map((value) => Math.fround(3 * value));
    const dy = normals(count, 2);
    const tensor = tf.tensor1d(x);
    expectClose(operation(tensor), x.map(functions[name]), tolerance.output);
    const gradient = tf.grad(operation)(tensor, tf.tensor1d(dy));
    const wanted = x.map((value, i) => dy[i] * derivatives[name](value));
    expectClose(gradient, wanted, tolerance.gradient);
  });

  test('is right to the last digits for every size of x', () => {
    const x = Array.from({ length: 4001 }, (_, i) => Math.fround((i - 2000) / 23));
    const y = operation(tf.tensor1d(x)).dataSync();
    // Results below the smallest normal number have fewer digits; the tail of gelu has them from 1.
    const least = name.startsWith('gelu') ? 1e-7 : 1e-43;
    x.forEach((value, i) => {
      const wanted = functions[name](value);
      expect(Math.abs(y[i] - wanted)).toBeLessThanOrEqual(5e-7 * Math.abs(wanted) + least);
    });
  });

  test('passes on infinity and NaN', () => {
    const x = tf.tensor1d([Number.POSITIVE_INFINITY, Number.NaN, 1e30, -1e30]);
    const [infinite, undefinedValue, large, none] = operation(x).dataSync();
    expect(infinite).toBe(Number.POSITIVE_INFINITY);
    expect(undefinedValue).toBeNaN();
    expect(large).toBe(Math.fround(1e30));
    expect(Math.abs(none)).toBe(0);
  });

  test('leaves no tensor behind, forward and backward', () => {
    const x = tf.tensor1d(normals(40, 4));
    expectNoLeak(() => {
      operation(x).dispose();
      tf.grad(operation)(x, x).dispose();
    });
  });
});

describe('swiglu', () => {
  const shape: [number, number] = [37, 53];
  const gate = normals(37 * 53, 1);
  const up = normals(37 * 53, 2);

  test('and its gradients match float64', () => {
    const dy = normals(37 * 53, 3);
    const tensors = [tf.tensor2d(gate, shape), tf.tensor2d(up, shape)];
    const y = swiglu(tensors[0], tensors[1]);
    expectClose(
      y,
      gate.map((g, i) => functions.silu(g) * up[i]),
      tolerance.output,
    );
    const [dGate, dUp] = tf.grads((g, u) => swiglu(g, u))(tensors, tf.tensor2d(dy, shape));
    const wantedGate = gate.map((g, i) => dy[i] * up[i] * derivatives.silu(g));
    expectClose(dGate, wantedGate, tolerance.gradient);
    expectClose(
      dUp,
      gate.map((g, i) => dy[i] * functions.silu(g)),
      tolerance.gradient,
    );
  });

  test('takes one tensor as both', () => {
    const x = tf.tensor2d(gate, shape);
    const gradient = tf.grad((input) => swiglu(input, input))(x, tf.onesLike(x));
    const wanted = gate.map((g) => functions.silu(g) + g * derivatives.silu(g));
    expectClose(gradient, wanted, tolerance.gradient);
  });

  test('refuses tensors of two shapes', () =>
    expectError(
      () => swiglu(tf.ones([2, 3]), tf.ones([3, 2])),
      'ERR_SHAPE',
      /^Expected shape \[2, 3\] for up but got shape \[3,2\]/,
    ));
});

describe('stepSizes', () => {
  test.each([0.001, 0.01, 2])('gives %p at 0 and matches float64', (base) => {
    const x = [0, ...normals(2000, 1)];
    const offset = base + Math.log(-Math.expm1(-base));
    const rates = stepSizes(tf.tensor1d(x), base);
    expect(Math.abs(rates.dataSync()[0] / base - 1)).toBeLessThan(5e-7);
    expectClose(
      rates,
      x.map((value) => functions.softplus(value + offset)),
      tolerance.output,
    );
  });

  test.each([0, -1, Number.NaN])('refuses a base of %p', (base) =>
    expectError(() => stepSizes(tf.ones([2]), base), 'ERR_RANGE', /number.* for base but got/),
  );
});

test('silu and stepSizes agree with the reference', () => {
  const x = tf.tensor1d(normals(500, 1));
  expectClose(silu(x), [...referenceSilu(x).dataSync()], tolerance.output);
  expectClose(stepSizes(x, 0.01), [...referenceStepSizes(x, 0.01).dataSync()], 1e-6);
});

test('softplus refuses an offset that is not finite', () =>
  expectError(() => softplus(tf.ones([2]), Number.NaN), 'ERR_RANGE', /for offset but got NaN/));

test('silu refuses another dtype', () =>
  expectError(() => silu(tf.ones([2], 'int32')), 'ERR_DTYPE', /float32 for x but got int32/));
