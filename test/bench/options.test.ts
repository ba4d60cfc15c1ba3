import os from 'node:os';

import { parseOptions } from '../../bench/options';
import { suites } from '../../bench/suites';
import { UsageError } from '../../bench/usage_error';

test('without options every suite runs, on all cores', () => {
  const options = parseOptions([]);
  expect(options.suites).toEqual(suites);
  expect(options.threads).toBe(os.availableParallelism());
  expect(options).toMatchObject({ quick: false, profile: false, save: false, rounds: 15 });
  expect(parseOptions(['--quick']).rounds).toBe(3);
});

test('options are read', () => {
  const options = parseOptions([
    ...['--suite', 'prefill', '--suite', 'gemm', '--suite', 'gemm', '--threads', '3'],
    ...['--blas', 'one.so', '--blas', 'two.so', '--rounds', '7', '--case', '512'],
  ]);
  expect(options.suites.map(({ name }) => name)).toEqual(['prefill', 'gemm']);
  expect(options).toMatchObject({
    threads: 3,
    blas: ['one.so', 'two.so'],
    rounds: 7,
    filter: '512',
  });
});

test('a shape is sizes by name', () => {
  const { shape } = parseOptions(['--suite', 'gemm', '--shape', 'm=3, k=5,transposeA=0']);
  expect(shape).toEqual({ m: 3, k: 5, transposeA: 0 });
});

test.each([
  [['--suite', 'gem'], "Expected one of gemm, newton-schulz, .* for --suite but got 'gem'"],
  [['--threads', '0'], "Expected a whole number from 1 to 1024 for --threads but got '0'"],
  [['--rounds', '2.5'], "Expected a whole number .* for --rounds but got '2.5'"],
  [['--shape', 'm:3'], "Expected NAME=SIZE,... for --shape but got 'm:3'"],
  [['--suite', 'gemm', '--shape', 'm=0'], 'Expected a size above 0 for m but got 0'],
  [['--suite', 'gemm', '--shape', 'rows=3'], "Expected sizes of gemm .* but got 'rows'"],
  [['--profile'], 'Expected --suite train-step, and no other, for --profile'],
  [['--fast'], "Unknown option '--fast'"],
  [['gemm'], "Unexpected argument 'gemm'"],
])('%j is refused', (args, message) => {
  expect(() => parseOptions(args)).toThrow(UsageError);
  expect(() => parseOptions(args)).toThrow(new RegExp(message));
});
