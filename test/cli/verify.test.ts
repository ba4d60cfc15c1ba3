import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { runCli } from '../../src/cli/run';
import { verifyCommand } from '../../src/cli/verify';

const operations = path.join(__dirname, '../golden/cases/ops');

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-verify-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

async function verify(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(['verify', ...args], [verifyCommand], {
    write: (line) => out.push(line),
    writeError: (line) => err.push(line),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

function copyCase(name: string): string {
  const file = path.join(folder, `${name}.safetensors`);
  fs.copyFileSync(path.join(operations, `${name}.safetensors`), file);
  return file;
}

/** Doubles the last float32 of a case's file, which holds one of its results. */
function spoil(file: string): void {
  const bytes = fs.readFileSync(file);
  bytes.writeFloatLE(2 * bytes.readFloatLE(bytes.length - 4) + 1, bytes.length - 4);
  fs.writeFileSync(file, bytes);
}

test('prints a line for each case with its errors beside the tolerances', async () => {
  copyCase('scan_causal_gd');
  copyCase('newton_schulz_you5_16x16');
  const { code, out } = await verify('--backend', 'reference', '--cases', folder);
  expect(code).toBe(0);
  expect(out).toMatch(
    /^passed +newton_schulz_you5_16x16 +[\d.]+e-\d+ of 2\.0e-5 x +.* of 2\.0e-4 g/,
  );
  expect(out).toMatch(/^passed +scan_causal_gd +[\d.]+e-\d+ of 2\.0e-6 .* of 3\.0e-6 /m);
  expect(out).toMatch(/^2 passed, 0 failed on tfjs backend 'cpu'$/m);
});

test('runs on the native device unless told otherwise', async () => {
  copyCase('scan_causal_muon_momentum');
  const { code, out } = await verify('--cases', folder);
  expect(code).toBe(0);
  expect(out).toMatch(/^1 passed, 0 failed on tfjs backend 'fastweight-cpu'$/m);
});

test.each([
  ['reference', /on the tfjs backend 'cpu' but got 'bfloat16'/],
  ['fastweight-cpu', /Expected float32 for the matmul precision of device cpu but got/],
])('reduced precision is refused by %s, which has float32 alone', async (backend, message) => {
  copyCase('scan_causal_gd');
  const asked = ['--backend', backend, '--precision', 'bfloat16'];
  const { code, out, err } = await verify(...asked, '--cases', folder);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^ERR_ARGUMENT/);
  expect(err).toMatch(message);
});

test('ends in 1 and shows both sides where a case fails', async () => {
  copyCase('scan_causal_gd');
  spoil(copyCase('newton_schulz_you5_16x16'));
  const { code, out } = await verify('--backend', 'reference', '--cases', folder);
  expect(code).toBe(1);
  expect(out).toMatch(/^failed +newton_schulz_you5_16x16/);
  expect(out).toMatch(/^ {4}.*FAILED\n {6}actual .*\n {6}expected /m);
  expect(out).toMatch(/^1 passed, 1 failed on/m);
});

test('prints JSON with the same figures', async () => {
  copyCase('scan_causal_gd');
  spoil(copyCase('newton_schulz_you5_16x16'));
  const { code, out } = await verify('--backend', 'reference', '--cases', folder, '--json');
  expect(code).toBe(1);
  const report = JSON.parse(out);
  expect(report).toMatchObject({ backend: 'cpu', passed: false });
  expect(report.cases).toMatchObject([
    { name: 'newton_schulz_you5_16x16', kind: 'newton_schulz', status: 'failed' },
    { name: 'scan_causal_gd', kind: 'fast_weight_scan', status: 'passed', message: '' },
  ]);
  const { output, gradient } = report.cases[1];
  expect(output.error).toBeLessThanOrEqual(output.tolerance);
  expect(gradient.error).toBeLessThanOrEqual(gradient.tolerance);
});

test('ends in 1 where there is no case', async () => {
  const { code, err } = await verify('--backend', 'reference', '--cases', folder);
  expect(code).toBe(1);
  expect(err).toMatch(/^ERR_ARGUMENT: Expected a folder of \*\.safetensors files for cases/);
});

test.each([
  [['--backend', 'abacus'], /^Expected one of .* for --backend but got 'abacus'/],
  [['--precision', 'half'], /^Expected one of float32, tf32, bfloat16 for --precision but/],
  [['--speed'], /--speed/],
  [['--cases'], /--cases/],
  [['folder'], /folder/],
])('ends in 2 for the command line %p', async (args, message) => {
  const { code, err } = await verify(...args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
  expect(err).toMatch(/See fastweight verify --help$/);
});
