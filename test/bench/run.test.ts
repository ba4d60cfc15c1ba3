import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import type { Report } from '../../bench/results';

const root = path.join(__dirname, '..', '..');
// A folder of its own: other tests compile the examples at the same time.
const compiled = path.join('build', 'bench_test');
const main = path.join(compiled, 'bench', 'main.js');

function node(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('npm run bench', () => {
  const out = mkdtempSync(path.join(os.tmpdir(), 'fastweight-bench-test-'));

  beforeAll(() => {
    const places = [
      ...['--outDir', compiled],
      ...['--tsBuildInfoFile', path.join(compiled, 'tsconfig.tsbuildinfo')],
    ];
    const tsc = require.resolve('typescript/bin/tsc');
    const built = node(tsc, '-p', 'tsconfig.examples.json', ...places);
    expect(built).toMatchObject({ status: 0, stdout: '' });
  });
  afterAll(() => rmSync(out, { recursive: true }));

  test('a quick run compares, measures and writes a table, JSON and a chart', () => {
    const suites = ['--suite', 'newton-schulz', '--suite', 'fast-weight-scan'];
    const run = node(main, '--quick', '--rounds', '1', ...suites, '--threads', '1', '--out', out);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toContain('### newton-schulz 3 of 48 x 64 (8.29 MFLOP)');
    expect(readFileSync(path.join(out, 'bench.md'), 'utf8')).toMatch(
      /\| fastweight +\| +[\d.]+ us/,
    );
    expect(readFileSync(path.join(out, 'bench.svg'), 'utf8')).toMatch(
      /^<svg.*tfjs-wasm.*<\/svg>$/s,
    );

    const report = JSON.parse(readFileSync(path.join(out, 'bench.json'), 'utf8')) as Report;
    expect(report.machine).toMatchObject({ threads: 1, node: process.version });
    expect(report.peak?.gflops).toBeGreaterThan(0);
    expect(report.cases.map(({ suite }) => suite)).toEqual([
      'newton-schulz',
      ...new Array<string>(4).fill('fast-weight-scan'),
    ]);
    for (const { contenders } of report.cases) {
      expect(contenders.map(({ name }) => name)).toEqual(['fastweight', 'tfjs-wasm', 'tfjs-cpu']);
      for (const contender of contenders) {
        expect(contender).toMatchObject({ status: 'measured', times: [expect.any(Number)] });
        expect(contender.gflops).toBeGreaterThan(0);
      }
      expect(contenders[0].difference).toEqual({ outputs: 0, gradients: 0 });
    }
    // Another implementation agrees closely, but not to the last bit.
    expect(report.cases[2].contenders[2].difference?.gradients).toBeGreaterThan(0);
  });

  test('a profile names the kernels of a step and the JavaScript between them', () => {
    const run = node(main, '--quick', '--suite', 'train-step', '--profile', '--rounds', '1');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/\| FastWeightScan\w* +\| +2 \|/);
    expect(run.stdout).toMatch(/\| JavaScript between kernels +\|/);
  });

  test('a wrong command line ends in exit code 2 and says where help is', () => {
    expect(node(main, '--suite', 'encode')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/for --suite but got 'encode'. See npm run bench -- --help\n$/),
    });
    expect(node(main, '--case', 'no such case').status).toBe(2);
    expect(node(main, '--help')).toMatchObject({ status: 0, stderr: '' });
  });
});
