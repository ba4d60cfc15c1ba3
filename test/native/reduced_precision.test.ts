// The contract of reduced precision on the emulated CUDA device: `fastweight verify --precision P`.
import { spawn } from 'node:child_process';
import * as path from 'node:path';
import { root } from '../support/bundle';
import { buildNativeTests, emulatedCuda, hasEmulation } from '../support/emulated_cuda';

const main = path.join(root, 'dist', 'cli', 'main.js');
const cases = path.join(root, 'test', 'golden', 'cases');

interface Worst {
  error: number;
  tolerance: number;
  plainError: number;
}

interface Verified {
  passed: boolean;
  precision: string;
  cases: { name: string; status: string; message: string; output: Worst; gradient: Worst }[];
}

function verify(...args: string[]): Promise<Verified> {
  const child = spawn(
    process.execPath,
    [main, 'verify', '--backend', 'fastweight-cuda', '--json', ...args],
    { env: emulatedCuda() as NodeJS.ProcessEnv, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let out = '';
  child.stdout.on('data', (data) => {
    out += data;
  });
  return new Promise((resolve) => child.on('close', () => resolve(JSON.parse(out))));
}

(hasEmulation ? describe : describe.skip)('the CUDA device under emulation', () => {
  let runs: Promise<Verified>[] = [];

  beforeAll(() => {
    buildNativeTests('fastweight_cuda_emulated');
    // tf32 leaves out the models, for time: their products are those of bfloat16, of which every case runs.
    runs = [
      verify('--precision', 'bfloat16'),
      verify('--precision', 'tf32', '--cases', path.join(cases, 'ops')),
    ];
  }, 600_000);

  test.each([
    [0, 'bfloat16', 26, 2 ** -9],
    [1, 'tf32', 19, 2 ** -12],
  ])(
    'keeps the contract in reduced precision (%i: %s)',
    async (run, precision, count, lost) => {
      const report = await runs[run];
      expect(report.cases.filter(({ status }) => status !== 'passed')).toEqual([]);
      expect(report).toMatchObject({ passed: true, precision });
      expect(report.cases).toHaveLength(count);
      // It was the precision asked for that ran, on both sides.
      const iterations = report.cases.filter(({ name }) => name.startsWith('newton_schulz'));
      expect(iterations).toHaveLength(4);
      for (const { output } of iterations) {
        for (const error of [output.error, output.plainError]) {
          expect(error).toBeGreaterThan(lost);
          expect(error).toBeLessThan(16 * lost);
        }
      }
    },
    300_000,
  );
});
