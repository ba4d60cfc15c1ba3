import * as tf from '@tensorflow/tfjs-core';
import '../../src/kernels/register';
import { directionalError, randomTensor } from './gradient_check';

// Float32 central differences with a step of 1e-2 are good to about three digits.
const tolerance = 2e-3;

type Case = [name: string, f: (...inputs: tf.Tensor[]) => tf.Tensor, shapes: number[][]];

const binaries = { maximum: tf.maximum, minimum: tf.minimum, squared: tf.squaredDifference };
const shapePairs = [
  [
    [3, 4],
    [3, 4],
  ],
  [[3, 4], [4]],
  [
    [3, 1],
    [1, 4],
  ],
  [[], [2, 3]],
  [
    [2, 3, 4],
    [3, 1],
  ],
];

const cases: Case[] = [
  ...Object.entries(binaries).flatMap(([name, op]) =>
    shapePairs.map((shapes): Case => [`${name} [${shapes.join('] [')}]`, op, shapes]),
  ),
  ...[0, 1, 2, -1, -3].flatMap((axis) =>
    [false, true].flatMap((exclusive) =>
      [false, true].map(
        (reverse): Case => [
          `cumsum axis ${axis} exclusive ${exclusive} reverse ${reverse}`,
          (x) => tf.cumsum(x, axis, exclusive, reverse),
          [[3, 4, 2]],
        ],
      ),
    ),
  ),
  ...[0, -1, [0, 2], [-1, -3], undefined].map(
    (axis): Case => [`prod axis ${axis}`, (x) => tf.prod(x, axis), [[3, 2, 2]]],
  ),
  ...['ij,jk->ik', 'ij,jk->ki', 'bij,bjk->bik', 'i,i->', 'i,j->ij', 'ij->ji', 'ij->i', 'ij->'].map(
    (equation): Case => [
      `einsum ${equation}`,
      (...operands) => tf.einsum(equation, ...operands),
      shapesOf(equation),
    ],
  ),
  ...['ij,k->k', 'ij,ik->i', 'bhqd,bhkd->bhqk', 'b i j, b j -> b i'].map(
    (equation): Case => [
      `einsum ${equation}`,
      (...operands) => tf.einsum(equation, ...operands),
      shapesOf(equation),
    ],
  ),
];

/** Operand shapes for an equation, each label with its own size. */
function shapesOf(equation: string): number[][] {
  const sizes: Record<string, number> = { b: 2, h: 3, i: 3, j: 4, k: 5, q: 4, d: 2 };
  const [operands] = equation.replace(/\s/g, '').split('->');
  return operands.split(',').map((labels) => [...labels].map((label) => sizes[label]));
}

describe('gradients repaired or added', () => {
  beforeAll(() => tf.ready());

  it.each(cases)('%s agrees with finite differences', (_name, f, shapes) => {
    // Entries of different inputs are never closer than the steps: maximum has a kink where they meet.
    const inputs = shapes.map((shape, index) =>
      tf.tidy(() => tf.add(tf.round(randomTensor(shape, index + 1, 2, 9)), index / 2).div(5)),
    );
    expect(directionalError(f, inputs)).toBeLessThan(tolerance);
    tf.dispose(inputs);
  });

  it('gives all of the gradient of a tie to the first input', () => {
    const [a, b] = tf.grads((x, y) => tf.sum(tf.maximum(x, y)) as tf.Scalar)([
      tf.tensor1d([1, 2]),
      tf.scalar(1),
    ]);
    expect(Array.from(a.dataSync())).toEqual([1, 1]);
    expect(Array.from(b.dataSync())).toEqual([0]);
  });
});
