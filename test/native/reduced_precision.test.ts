// The contract of reduced precision on the emulated CUDA device: `fastweight verify --precision P`.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { findCases } from '../../src/verify/cases';
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

/**
 * Left out for time, which the emulated tensor cores take: what the cases beside them combine already.
 * `fastweight verify --backend fastweight-cuda --precision bfloat16` in emulatedCuda() runs all 26.
 */
const leftOut = [
  'ar_video_layer_repeat2',
  'lm_momentum',
  'lm_muon_momentum_lowrank',
  'nvs_two_heads',
  'scan_causal_muon_momentum',
  'scan_causal_prenorm_momentum',
  'scan_causal_prenorm_muon',
  'scan_shorter_than_chunk',
  'scan_video_repeat1',
];

/** tf32 runs those of each kind of operation: its products are those of bfloat16. */
const inTf32 = /^(newton_schulz_.*|scan_causal_(gd|momentum|muon)|scan_view_synthesis)$/;

(hasEmulation ? describe : describe.skip)('the CUDA device under emulation', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-reduced-'));
  let runs: Promise<Verified>[] = [];

  /** A folder of the cases that are chosen. */
  function chosen(name: string, isChosen: (name: string) => boolean): string {
    const place = path.join(folder, name);
    fs.mkdirSync(place);
    for (const file of findCases(cases)) {
      const { base, name } = path.parse(file);
      if (isChosen(name)) fs.symlinkSync(file, path.join(place, base));
    }
    return place;
  }

  beforeAll(() => {
    buildNativeTests('fastweight_cuda_emulated');
    const bfloat16 = chosen('bfloat16', (name) => !leftOut.includes(name));
    const tf32 = chosen('tf32', (name) => inTf32.test(name));
    runs = [
      verify('--precision', 'bfloat16', '--cases', bfloat16),
      verify('--precision', 'tf32', '--cases', tf32),
    ];
  }, 600_000);
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  test.each([
    [0, 'bfloat16', 26 - leftOut.length],
    [1, 'tf32', 8],
  ])(
    'keeps the contract in reduced precision (%i: %s)',
    async (run, precision, count) => {
      const report = await runs[run];
      expect(report.cases.filter(({ status }) => status !== 'passed')).toEqual([]);
      expect(report).toMatchObject({ passed: true, precision });
      expect(report.cases).toHaveLength(count);
      // It was the precision asked for that ran, on both sides.
      const step = precision === 'bfloat16' ? 2 ** -9 : 2 ** -12;
      const products = report.cases.filter(({ name }) => /^scan_causal_(gd|momentum)$/.test(name));
      expect(products).toHaveLength(2);
      for (const { output } of products) {
        for (const error of [output.error, output.plainError]) {
          expect(error).toBeGreaterThan(step / 8);
          expect(error).toBeLessThan(8 * step);
        }
      }
    },
    300_000,
  );
});
