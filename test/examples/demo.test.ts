import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { readSafetensors } from '../../src/io/safetensors';

const root = path.join(__dirname, '..', '..');
const demo = path.join(root, 'build', 'examples', 'examples', 'language_model', 'main.js');

let folder: string;

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-demo-'));
  for (const script of ['build:ts', 'build:examples']) {
    const built = spawnSync('npm', ['run', '-s', script], { cwd: root, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`${script}:\n${built.stdout}${built.stderr}`);
  }
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

interface Ended {
  code: number | null;
  out: string;
  errors: string;
}

/** Runs the demo; `watch` sees all that it has printed so far. */
function run(args: string[], watch?: (out: string, child: ChildProcess) => void): Promise<Ended> {
  const child = spawn(process.execPath, [demo, ...args], { cwd: folder });
  const ended: Ended = { code: null, out: '', errors: '' };
  child.stdout.on('data', (data) => {
    ended.out += data;
    watch?.(ended.out, child);
  });
  child.stderr.on('data', (data) => {
    ended.errors += data;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...ended, code })));
}

const results = (out: string) =>
  JSON.parse(fs.readFileSync(path.join(folder, out, 'results.json'), 'utf8'));

test('checks a step, trains, and leaves figures, weights, a sample and the loss curve', async () => {
  const { code, out, errors } = await run(['--quick', '--out', 'whole']);
  expect([errors, code]).toEqual(['', 0]);
  expect(out).toMatch(/loss +\d\.\de[+-]\d+ of 3\.0e-5/);
  expect(out).toMatch(/worst of \d+ gradients +\d\.\de-\d+ of 1\.5e-3 {2}layers\.0\./);
  expect(out).toMatch(/median gradient +\d\.\de-\d+ of 5\.0e-4/);
  expect(out).toMatch(/worst of 21 AdamW updates +\d\.\de[+-]\d+ of 2\.0e-6/);
  expect(out).toMatch(/step 30\/30: \d\.\d+ bits\/byte, \d+ tokens\/s, 0:00 left/);
  expect(out).toMatch(/Bits per byte on held-out chapters: [78]\.\d+ before, [45]\.\d+ after/);

  const { steps, heldOut, losses, tokensPerSecond } = results('whole');
  expect(steps).toBe(30);
  expect(losses).toHaveLength(30);
  expect(tokensPerSecond).toBeGreaterThan(0);
  expect(heldOut).toHaveLength(7);
  expect(heldOut[0]).toEqual({ step: 0, bitsPerByte: expect.closeTo(8, 0) });
  expect(heldOut[6]).toMatchObject({ step: 30 });
  expect(heldOut[6].bitsPerByte).toBeLessThan(heldOut[0].bitsPerByte - 2);
  const at = (name: string) => path.join(folder, 'whole', name);
  expect(fs.readFileSync(at('loss.svg'), 'utf8')).toMatch(/^<svg.*held-out chapters.*<\/svg>/s);
  expect(fs.readFileSync(at('sample.txt'), 'utf8')).toMatch(/^20\. All Astir\./);
  const { tensors } = readSafetensors(at('model.safetensors'));
  expect(tensors.get('layers.0.attn.qkv.weight')?.shape).toEqual([96, 32]);
});

test('a run that was interrupted goes on to what an unbroken one gives', async () => {
  let interrupted = false;
  const stopped = await run(['--quick', '--steps', '24', '--out', 'broken'], (out, child) => {
    if (interrupted || !/^step [5-9]\//m.test(out)) return;
    interrupted = child.kill('SIGINT');
  });
  expect(stopped.code).toBe(130);
  expect(stopped.out).toMatch(/Stopped after step \d+; the checkpoint is .*checkpoint.safetensors/);
  expect(stopped.out).toContain('npm run demo -- --resume --out broken');
  expect(fs.existsSync(path.join(folder, 'broken', 'results.json'))).toBe(false);

  const resumed = await run(['--resume', '--out', 'broken']);
  expect([resumed.errors, resumed.code]).toEqual(['', 0]);
  expect(resumed.out).toMatch(/Going on after step \d+ of 24/);
  const unbroken = await run(['--quick', '--steps', '24', '--out', 'unbroken']);
  expect(unbroken.code).toBe(0);
  const figures = ({ heldOut, losses }: ReturnType<typeof results>) => ({ heldOut, losses });
  expect(figures(results('broken'))).toEqual(figures(results('unbroken')));
  for (const name of ['sample.txt', 'model.safetensors']) {
    const [broken, whole] = ['broken', 'unbroken'].map((out) =>
      fs.readFileSync(path.join(folder, out, name)),
    );
    expect(broken.equals(whole)).toBe(true);
  }
});

test('with --minutes the number of steps follows from the pace', async () => {
  const { code } = await run(['--quick', '--minutes', '0.05', '--out', 'timed']);
  expect(code).toBe(0);
  const { steps, seconds } = results('timed');
  expect(steps).toBeGreaterThanOrEqual(5);
  expect(seconds).toBeLessThan(10);
});

test.each([
  [['--wrong'], 2, /Unknown option '--wrong'/],
  [['--steps', '0'], 2, /Expected a number above 0 for --steps but got '0'/],
  [['--steps', '2.5'], 2, /Expected a whole number for --steps but got '2.5'/],
  [['--steps', '2', '--minutes', '1'], 2, /Expected --steps or --minutes but got both/],
  [['--resume', '--steps', '9'], 2, /Expected no --steps beside --resume/],
  [['--resume', '--out', 'nowhere'], 2, /Expected a checkpoint for --resume but got no .*nowhere/],
  [['--backend', 'abacus'], 2, /Expected one of .*fastweight-cpu.* for --backend but got 'abacus'/],
])('%j is refused', async (args, wanted, message) => {
  const { code, errors } = await run(args);
  expect([code, errors]).toEqual([wanted, expect.stringMatching(message)]);
});

test('a checkpoint that is damaged is an error that says so', async () => {
  fs.mkdirSync(path.join(folder, 'damaged'));
  fs.writeFileSync(path.join(folder, 'damaged', 'checkpoint.safetensors'), 'not a checkpoint');
  const { code, errors } = await run(['--resume', '--out', 'damaged']);
  expect([code, errors]).toEqual([1, expect.stringMatching(/^ERR_CHECKPOINT: .*damaged/)]);
});

test('--help tells every option', async () => {
  const { code, out } = await run(['--help']);
  expect(code).toBe(0);
  for (const option of ['minutes', 'steps', 'resume', 'quick', 'out', 'backend']) {
    expect(out).toContain(`--${option}`);
  }
});
