import type { Tensors } from '../../bench/case';
import { compare, ownDifference, relativeError, tolerances } from '../../bench/compare';

const tensor = (...values: number[]): Tensors extends Map<string, infer T> ? T : never => ({
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
});
const tolerance = tolerances({ outputs: 0.01, gradients: 0.1 });

test('relativeError is ||a - b|| / ||b||', () => {
  expect(relativeError([3, 5], [3, 4])).toBeCloseTo(0.2, 12);
  expect(relativeError([0.5, 0], [0, 0])).toBe(0.5);
});

test('outputs and gradients have tolerances of their own', () => {
  const ours = new Map([
    ['output', tensor(1)],
    ['gradient.q', tensor(1)],
  ]);
  const theirs = new Map([
    ['output', tensor(1.05)],
    ['gradient.q', tensor(1.05)],
  ]);
  const { outputs, gradients, problems } = compare(theirs, ours, tolerance);
  expect([outputs, gradients]).toEqual([expect.closeTo(0.05, 6), expect.closeTo(0.05, 6)]);
  expect(problems).toEqual(['output is off by 5.0e-2 of 0.01']);
});

test('what is missing, of another size or not a number is a problem', () => {
  const ours = new Map([
    ['a', tensor(1)],
    ['b', tensor(1)],
    ['c', tensor(1)],
  ]);
  const theirs = new Map([
    ['b', tensor(1, 2)],
    ['c', tensor(Number.NaN)],
  ]);
  expect(compare(theirs, ours, tolerance).problems).toEqual([
    'a has no elements',
    'b has 2 elements',
    'c is off by NaN of 0.01',
  ]);
});

test('the gradients of a linear map count together, in any order', () => {
  const gradients = (bias: number) =>
    new Map([
      ['gradient.lr_proj.weight', tensor(3, 4)],
      ['gradient.lr_proj.bias', tensor(bias)],
    ]);
  const turned = new Map([...gradients(0.3)].reverse());
  expect(compare(turned, gradients(0.1), tolerance).problems).toEqual([]);
  expect(compare(gradients(1.1), gradients(0.1), tolerance).problems).toEqual([
    'gradient.lr_proj is off by 2.0e-1 of 0.1',
  ]);
});

test('what a contender says of its own results is a problem where it is not a number', () => {
  const errors = new Map([
    ['output', 0.02],
    ['gradient.q', 0.4],
    ['gradient.k', 0.3],
  ]);
  expect(ownDifference(errors)).toEqual({ outputs: 0.02, gradients: 0.4, problems: [] });
  errors.set('gradient.k', Number.NaN);
  expect(ownDifference(errors).problems).toEqual([
    expect.stringMatching(/^gradient.k is off by NaN/),
  ]);
});
