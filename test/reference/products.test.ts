import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';

import { newtonSchulz, roundedReference, withProductRounding } from '../../src/reference';
import { matMul, roundTo } from '../../src/reference/products';
import { relativeError } from '../../src/verify/compare';
import { normal3 } from '../support/random_tensors';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const fromBits = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer);
const toBits = (values: Float32Array) => new Uint32Array(values.buffer)[0];

const hex = (bits: number) => bits.toString(16).padStart(8, '0');

describe.each([
  [
    'bfloat16',
    [
      ['0 stays', 0x00000000, 0x00000000],
      ['-0 stays', 0x80000000, 0x80000000],
      ['1 stays', 0x3f800000, 0x3f800000],
      ['pi', 0x40490fdb, 0x40490000],
      ['1/3, up', 0x3eaaaaab, 0x3eab0000],
      ['a tie goes down to the even one', 0x3f808000, 0x3f800000],
      ['a tie goes up to the even one', 0x3f818000, 0x3f820000],
      ['a tie of a negative number', 0xbf818000, 0xbf820000],
      ['just above a tie', 0x3f808001, 0x3f810000],
      ['just below a tie', 0x3f817fff, 0x3f810000],
      ['up to the next power of two', 0x3fffffff, 0x40000000],
      ['the largest becomes infinite', 0x7f7fffff, 0x7f800000],
      ['the largest that does not', 0x7f7f7fff, 0x7f7f0000],
      ['infinity', 0x7f800000, 0x7f800000],
      ['-infinity', 0xff800000, 0xff800000],
      ['the least positive number', 0x00000001, 0x00000000],
      ['a subnormal number', 0x00018000, 0x00020000],
    ],
  ],
  [
    'tf32',
    [
      ['1 stays', 0x3f800000, 0x3f800000],
      ['pi', 0x40490fdb, 0x40490000],
      ['1/3, down', 0x3eaaaaab, 0x3eaaa000],
      ['a tie goes down to the even one', 0x3f801000, 0x3f800000],
      ['a tie goes up to the even one', 0x3f803000, 0x3f804000],
      ['just above a tie', 0x3f801001, 0x3f802000],
      ['the largest becomes infinite', 0x7f7fffff, 0x7f800000],
    ],
  ],
] as const)('rounding to %s', (precision, cases) => {
  test.each(cases.map((each) => [...each] as [string, number, number]))('%s', (_name, from, to) => {
    expect(hex(toBits(roundTo({ precision }, fromBits(from))))).toBe(hex(to));
  });

  test('NaN stays NaN, whatever its payload', () => {
    for (const bits of [0x7fc00000, 0x7f800001, 0xffffffff]) {
      expect(roundTo({ precision }, fromBits(bits))[0]).toBeNaN();
    }
  });

  test('leaves what it is given as it is', () => {
    const values = Float32Array.of(1 / 3, Math.PI);
    const before = values.slice();
    roundTo({ precision }, values);
    expect(values).toEqual(before);
  });

  test('errs by as much on a scaled grid, but otherwise', () => {
    const values = normal3([1, 64, 64], 1).dataSync() as Float32Array;
    const plain = roundTo({ precision }, values);
    const scaled = roundTo({ precision, gridScale: Math.SQRT2 }, values);
    const [a, b] = [plain, scaled].map((each) => relativeError(each, values));
    expect(Math.abs(Math.log(b / a))).toBeLessThan(0.15);
    expect(relativeError(scaled, plain)).toBeGreaterThan(a);
  });
});

test('float32 leaves every bit', () => {
  const values = Float32Array.of(1 / 3, Math.PI);
  expect(roundTo({ precision: 'float32' }, values)).toEqual(values);
});

describe('a rounded product', () => {
  const bfloat16 = { precision: 'bfloat16' } as const;
  const round = (x: tf.Tensor) =>
    tf.tensor3d(
      roundTo(bfloat16, x.dataSync() as Float32Array),
      x.shape as [number, number, number],
    );

  test.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('and its gradients round their operands, transposed %p and %p', (left, right) => {
    const a = normal3(left ? [2, 5, 3] : [2, 3, 5], 1);
    const b = normal3(right ? [2, 4, 5] : [2, 5, 4], 2);
    const dy = normal3([2, 3, 4], 3);
    const product = (x: tf.Tensor, y: tf.Tensor) => matMul(x, y, left, right);
    const value = withProductRounding(bfloat16, () => product(a, b));
    // The gradient is asked for outside: it rounds as its product did.
    const grads = withProductRounding(bfloat16, () => tf.grads(product));
    const [da, db] = withProductRounding(bfloat16, () => grads([a, b], dy));

    const [x, y, d] = [a, b, dy].map(round);
    expect(value.arraySync()).toEqual(tf.matMul(x, y, left, right).arraySync());
    const [dx, dyOfB] = tf.grads((x, y) => tf.matMul(x as tf.Tensor3D, y, left, right))([x, y], d);
    expect(da.arraySync()).toEqual(dx.arraySync());
    expect(db.arraySync()).toEqual(dyOfB.arraySync());
    // And rounding changed them.
    expect(value.arraySync()).not.toEqual(tf.matMul(a, b, left, right).arraySync());
  });

  test('is in float32 outside, also after an error', () => {
    const a = normal3([1, 3, 5], 1);
    const fail = () =>
      withProductRounding(bfloat16, () => {
        throw new Error('stop');
      });
    expect(fail).toThrow('stop');
    expect(matMul(a, a, false, true).arraySync()).toEqual(tf.matMul(a, a, false, true).arraySync());
  });

  test('keeps no tensor', () => {
    const a = normal3([1, 3, 5], 1);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      withProductRounding(bfloat16, () => tf.grad((x) => tf.sum(matMul(x, x, false, true)))(a));
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('the rounded reference is off by what its precision loses, forward and backward', () => {
  const x = normal3([2, 8, 12], 1);
  const run = (iterate: typeof newtonSchulz) => {
    const value = iterate(x, 'you5');
    const gradient = tf.grad((y) => tf.sum(tf.square(iterate(y as tf.Tensor3D, [[2, -1, 0.3]]))))(
      x,
    );
    return [value, gradient].map((each) => each.dataSync());
  };
  const exact = run(newtonSchulz);
  const errors = (['tf32', 'bfloat16'] as const).map((precision) =>
    run(roundedReference({ precision }).newtonSchulz).map((each, at) =>
      relativeError(each, exact[at]),
    ),
  );
  const [tf32, bfloat16] = errors;
  for (const at of [0, 1]) {
    expect(tf32[at]).toBeGreaterThan(2 ** -14);
    expect(tf32[at]).toBeLessThan(2 ** -7);
    expect(bfloat16[at] / tf32[at]).toBeGreaterThan(4);
    expect(bfloat16[at] / tf32[at]).toBeLessThan(16);
  }
});
