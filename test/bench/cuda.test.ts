import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { casesOf } from '../../bench/cuda/cases';
import { parseCudaOptions } from '../../bench/cuda/options';
import { rivalsOf } from '../../bench/cuda/rivals';
import { judge } from '../../bench/goals';
import { chartSvg } from '../../bench/report/chart';
import { caseText, goalsText, machineText, reportText } from '../../bench/report/text';
import type { CaseResult, ContenderResult, Report } from '../../bench/results';
import { UsageError } from '../../bench/usage_error';
import { bundleScript, root } from '../support/bundle';
import { buildNativeTests, emulatedCuda, hasEmulation } from '../support/emulated_cuda';

describe('options', () => {
  test('have the full contract on the first GPU as default', () => {
    expect(parseCudaOptions(['--device', 'cuda'])).toEqual({
      ...{ backend: 'fastweight-cuda', filter: '', rounds: 10 },
      ...{ quick: false, help: false, save: false },
      ...{ python: undefined, lactRepo: undefined, json: undefined, out: undefined },
    });
    expect(parseCudaOptions(['--quick']).rounds).toBe(2);
  });

  test('name rivals', () => {
    const options = parseCudaOptions(['--python', 'p', '--lact-repo', 'r']);
    expect(rivalsOf(options).map(({ name }) => name)).toEqual([
      'torch',
      'lact-compiled',
      'lact-triton',
    ]);
    expect(rivalsOf({ python: 'p' }).map(({ name }) => name)).toEqual(['torch']);
    expect(rivalsOf({})).toEqual([]);
  });

  test.each([
    [['--device', 'tpu'], /Expected cuda for --device but got 'tpu'/],
    [['--rounds', '0'], /for --rounds but got '0'/],
    [['--lact-repo', 'r'], /Expected --python PATH/],
    [['--abacus'], /--abacus/],
  ])('%p make no sense', (args, message) => {
    expect(() => parseCudaOptions(args)).toThrow(UsageError);
    expect(() => parseCudaOptions(args)).toThrow(message);
  });
});

const { gemm, rest } = casesOf(false);
const named = (start: string) => rest.filter(({ name }) => name.startsWith(start));

describe('cases', () => {
  test('are the shapes of the contract, each forward and forward + backward', () => {
    const shapes = (start: string) => named(start).map(({ shape }) => shape);
    const view = { rows: 1, tokens: 65536, key: 768 };
    expect(shapes('view synthesis forward,')).toEqual([
      { ...view, hidden: 1536 },
      { ...view, hidden: 3072 },
    ]);
    expect(shapes('view synthesis forward + backward,')).toEqual(shapes('view synthesis forward,'));
    expect(shapes('language forward,')).toHaveLength(8);
    for (const shape of shapes('language')) {
      expect(shape).toMatchObject({ rows: 4, tokens: 32768 });
      expect([2048, 4096]).toContain(shape.chunk);
      expect([384, 768]).toContain(shape.key);
    }
    expect(named('Newton-Schulz')).toHaveLength(18);
    expect(named('attention')).toHaveLength(4);
    expect(new Set([...gemm, ...rest].map(({ name }) => name)).size).toBe(
      gemm.length + rest.length,
    );
  });

  test("count the algorithm's operations and bytes", () => {
    const [view] = named('view synthesis forward, tokens 65536, 768 x 1536');
    // Nine products of 65,536 tokens, and 5 steps for 3 matrices of 768 x 1536.
    const products = 9 * 2 * 65536 * 768 * 1536;
    const iterations = 5 * 3 * (3 * 768 ** 2 * 1536 + 768 ** 3);
    expect(view.flops).toBe(products + iterations);
    expect(view.bytes).toBe(4 * (4 * 65536 * 768 + 65536 * 3 + 3 * 768 * 1536));
    expect(rest[0]).toMatchObject({ flops: 0, bytes: 2 ** 30 });
  });

  test('make the same inputs at every call, of the sizes that they name', () => {
    for (const each of casesOf(true).rest) {
      const [first, second] = [each.inputs(), each.inputs()];
      expect(second).toEqual(first);
      for (const { shape, data } of first.values()) {
        expect(data).toHaveLength(shape.reduce((product, size) => product * size, 1));
      }
    }
  });

  test('have the rivals that compute them', () => {
    const rivals = rivalsOf({ python: 'p', lactRepo: 'r' });
    const taking = (name: string) =>
      rivals
        .filter((rival) => rival.declines(named(name)[0]) === undefined)
        .map((each) => each.name);
    expect(taking('view synthesis forward,')).toEqual(['lact-compiled']);
    expect(taking('language forward, chunk 2048, 384 x 384, Muon')).toEqual(['lact-compiled']);
    expect(taking('language forward, chunk 2048, 384 x 384, momentum alone')).toEqual([
      'lact-compiled',
      'lact-triton',
    ]);
    expect(taking('Newton-Schulz')).toEqual(['lact-compiled']);
    expect(taking('attention')).toEqual(['torch']);
    expect(rivals[0].declines(gemm[0])).toBeUndefined();
  });
});

/** A contender as if it had been measured. */
const contender = (name: string, more: Partial<ContenderResult>): ContenderResult => ({
  ...{ name, status: 'measured', times: [0.0025], gflops: 560_000 },
  seconds: { median: 0.0025, lower: 0.0024, upper: 0.0027 },
  difference: { outputs: 0.02, gradients: 0.05 },
  ...more,
});

function madeUp(start: string, contenders: ContenderResult[]): CaseResult {
  const [{ suite, name, shape, flops, bytes }] = [...gemm, ...rest].filter((each) =>
    each.name.startsWith(start),
  );
  const goals = judge({ name, contenders });
  return { suite, name, shape, flops, bytes, contenders, goals };
}

const report: Report = {
  machine: {
    ...{ cpu: 'a CPU', gpu: 'NVIDIA H200', cores: 16, instructionSet: 'avx512', threads: 16 },
    ...{ memoryBytes: 2 ** 37, platform: 'linux-x64', node: 'v20', fastweight: '0.1.0' },
    date: '2026-11-25T00:00:00.000Z',
  },
  peak: { gflops: 790_000, contender: 'torch, bfloat16' },
  cases: [
    madeUp('y = x', [contender('fastweight', { gflops: 0, gigabytesPerSecond: 4321 })]),
    madeUp('view synthesis forward,', [
      contender('fastweight', { shareOfPeak: 0.71 }),
      contender('lact-compiled', { shareOfPeak: 0.4, timeRatio: 1.8 }),
      { name: 'torch', status: 'declined', reason: 'PyTorch has no such operation' },
    ]),
    madeUp('view synthesis forward + backward,', [contender('fastweight', { shareOfPeak: 0.62 })]),
    madeUp('language forward, chunk 2048, 384 x 384, momentum', [
      contender('fastweight', { shareOfPeak: 0.5 }),
      contender('lact-compiled', { timeRatio: 2.5, shareOfPeak: 0.2 }),
      contender('lact-triton', { timeRatio: 1.4, shareOfPeak: 0.36 }),
    ]),
    madeUp('Newton-Schulz gram', [
      contender('fastweight', { shareOfPeak: 0.45 }),
      contender('lact-compiled', { timeRatio: 1.3, shareOfPeak: 0.35 }),
    ]),
  ],
};

describe('a report', () => {
  const goalsOf = (at: number) =>
    report.cases[at].goals.map(({ goal, atLeast, met }) => [goal, atLeast, met]);

  test('judges shares of the GEMM rate and speed against rivals', () => {
    expect(goalsOf(0)).toEqual([]);
    expect(goalsOf(1)).toEqual([['share of the GEMM rate, fastweight', 0.75, false]]);
    expect(goalsOf(2)).toEqual([['share of the GEMM rate, fastweight', 0.6, true]]);
    expect(goalsOf(3)).toEqual([
      ['speed against lact-compiled', 2, true],
      ['speed against lact-triton', 1.5, false],
    ]);
    expect(goalsOf(4)).toEqual([['speed against lact-compiled', 1.2, true]]);
    expect(goalsText(report)).toBe('3 of 5 goals met.');
  });

  test('says rates, bytes, shares, errors and goals', () => {
    expect(machineText(report.machine)).toMatch(/^NVIDIA H200, a CPU/);
    expect(caseText(report.cases[0])).toMatch(/floats \(1\.07 GB\)\n.*\| +4321\.0 GB\/s \|/s);
    const view = caseText(report.cases[1]);
    expect(view).toMatch(/^### view synthesis forward, .* \(1\.44 TFLOP, 820 MB\)$/m);
    expect(view).toMatch(
      /\| fastweight +\| +2\.50 ms \| .* 560\.0 TFLOP\/s \| +71% \| .* 5\.0e-2 \|/,
    );
    expect(view).toMatch(/^- torch: declined: PyTorch has no such operation$/m);
    expect(view).toMatch(/^- goal MISSED: share of the GEMM rate, fastweight: 71% of 75%$/m);
    expect(caseText(report.cases[3])).toMatch(/^- goal met: speed against .*: 2\.50x of 2\.00x$/m);
    expect(reportText(report)).toMatch(
      /^GEMM peak of this run: 790\.0 TFLOP\/s \(torch, bfloat16\)$/m,
    );
  });

  test('is charted as shares of the GEMM rate', async () => {
    const svg = await chartSvg(report);
    expect(svg).toMatch(/^<svg/);
    expect(svg).toContain('Share of the GEMM rate of the run');
    expect(svg).toContain('lact-triton');
  });
});

interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
  report: Report;
}

describe('a run', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-bench-cuda-'));
  let script: string;

  beforeAll(() => {
    script = bundleScript(path.join(root, 'bench', 'cuda', 'main.ts'), 'bench_cuda');
    if (hasEmulation) buildNativeTests('fastweight_cuda_emulated');
  }, 600_000);
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  function bench(...args: string[]): Run {
    const json = path.join(folder, 'bench.json');
    const backend = hasEmulation ? 'fastweight-cuda' : 'fastweight-cpu';
    const settings = ['--quick', '--rounds', '1', '--backend', backend, '--json', json];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--expose-gc', script, ...settings, ...args],
      {
        cwd: root,
        encoding: 'utf8',
        env: { ...emulatedCuda(), TORCHDYNAMO_DISABLE: '1' } as NodeJS.ProcessEnv,
      },
    );
    return { status, stdout, stderr, report: JSON.parse(fs.readFileSync(json, 'utf8')) };
  }

  test('measures every kind of case, and writes a table and a chart', () => {
    const { status, stdout, report: written } = bench('--out', folder);
    expect(status).toBe(0);
    expect(written.cases).toHaveLength(12);
    for (const { contenders } of written.cases) {
      expect(contenders).toMatchObject([{ name: 'fastweight', status: 'measured' }]);
      expect(contenders[0].times).toHaveLength(1);
    }
    expect(written.machine.gpu).toBe(hasEmulation ? 'CUDA emulation' : undefined);
    expect(written.peak?.contender).toBe('fastweight, bfloat16');
    expect(stdout).toMatch(/^### quick language forward \+ backward, .*, Muon \(33\.0 MFLOP/m);
    expect(fs.readFileSync(path.join(folder, 'bench.md'), 'utf8')).toMatch(/\| fastweight +\|/);
    expect(fs.readFileSync(path.join(folder, 'bench.svg'), 'utf8')).toMatch(/^<svg/);
  }, 60_000);

  test('says of a rival that does not start why, and goes on', () => {
    const absent = path.join(folder, 'no-such-python');
    const { status, report: written } = bench('--python', absent, '--case', 'Newton-Schulz');
    expect(status).toBe(0);
    expect(written.cases[0].contenders).toMatchObject([
      { name: 'fastweight', status: 'measured' },
      { name: 'torch', status: 'unavailable', reason: expect.stringContaining('no-such-python') },
    ]);
  }, 60_000);

  // A Python with torch, such as the benchmarks take.
  const python = process.env.FASTWEIGHT_TEST_PYTHON ?? 'python3';
  const hasTorch = spawnSync(python, ['-c', 'import torch']).status === 0;
  if (!hasTorch) console.log(`Rivals do not run: ${python} has no torch (FASTWEIGHT_TEST_PYTHON)`);

  /** A repository that has the published Newton-Schulz alone, off by a factor. */
  function repository(name: string, factor: number): string {
    const place = path.join(folder, name);
    const model = path.join(place, 'lact_llm', 'lact_model');
    fs.mkdirSync(model, { recursive: true });
    fs.mkdirSync(path.join(place, 'lact_nvs'));
    fs.writeFileSync(
      path.join(model, 'ttt_operation.py'),
      [
        'import torch',
        'def zeropower_via_newtonschulz5(g):',
        '    x = g / (g.norm(dim=(1, 2), keepdim=True) + 1e-7)',
        '    for a, b, c in [(4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377),',
        '                    (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046),',
        '                    (2.8366, -3.0525, 1.2012)]:',
        '        gram = x @ x.transpose(1, 2)',
        '        x = a * x + (b * gram + c * gram @ gram) @ x',
        `    return ${factor} * x`,
      ].join('\n'),
    );
    return place;
  }

  const rivalOf = ({ report: written }: Run, name: string, at: number) =>
    written.cases[at].contenders.find((each) => each.name === name);

  (hasTorch ? test : test.skip)(
    'compares rivals on the same inputs before it counts their times',
    () => {
      const run = (name: string, factor: number) =>
        bench('--python', python, '--lact-repo', repository(name, factor), '--case', 'standard');
      const right = run('right', 1);
      expect(right.status).toBe(0);
      expect(rivalOf(right, 'torch', 0)).toMatchObject({ status: 'measured' });
      const agreeing = rivalOf(right, 'lact-compiled', 2) as ContenderResult;
      expect(agreeing).toMatchObject({ status: 'measured', timeRatio: expect.any(Number) });
      expect(agreeing.difference?.outputs).toBeLessThan(1e-4);

      const wrong = run('wrong', 1.5);
      expect(wrong.status).toBe(1);
      expect(wrong.stderr).toMatch(/FAILED: quick Newton-Schulz .*: output is off by 5\.0e-1 of/);
      expect(rivalOf(wrong, 'lact-compiled', 2)?.times).toBeUndefined();
    },
    120_000,
  );

  (hasTorch ? test : test.skip)(
    'says what a repository lacks',
    () => {
      const rivals = ['--python', python, '--lact-repo', path.join(folder, 'absent')];
      const missing = bench(...rivals, '--case', 'momentum alone');
      expect(missing.status).toBe(0);
      for (const name of ['lact-compiled', 'lact-triton']) {
        expect(rivalOf(missing, name, 2)).toMatchObject({
          status: 'unavailable',
          reason: expect.stringMatching(/Expected the folder lact_llm.* but found none/),
        });
      }
    },
    120_000,
  );
});
