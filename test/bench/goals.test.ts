import { judge } from '../../bench/goals';
import type { ContenderResult } from '../../bench/results';

const rival = (name: string, timeRatio: number): ContenderResult => ({
  name,
  status: 'measured',
  timeRatio,
});

test('a goal names the rival, the ratio it asks for and whether that is reached', () => {
  const name = 'scan forward, rows 1, tokens 4096, chunk 2048, 768 x 1536';
  const contenders = [rival('torch-compiled', 1.3), rival('tfjs-node', 1.9)];
  expect(judge({ name, contenders })).toEqual([
    { goal: 'speed against torch-compiled', atLeast: 1.25, measured: 1.3, met: true },
    { goal: 'speed against tfjs-node', atLeast: 2, measured: 1.9, met: false },
  ]);
});

test('against several rivals the better one counts', () => {
  const contenders = [rival('openblas', 1.1), rival('mkl', 0.9)];
  const goals = judge({ name: 'gemm 512 x 512 x 512', contenders });
  expect(goals).toEqual([
    { goal: 'speed against openblas and mkl', atLeast: 0.95, measured: 0.9, met: false },
  ]);
});

test('without the rival, or a goal, nothing is judged', () => {
  const name = 'gemm 512 x 512 x 512';
  expect(judge({ name, contenders: [rival('tfjs-node', 9)] })).toEqual([]);
  expect(judge({ name: 'prefill', contenders: [rival('openblas', 9)] })).toEqual([]);
});
