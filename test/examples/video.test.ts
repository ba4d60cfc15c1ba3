import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import sharp from 'sharp';
import { readSafetensors } from '../../src/io/safetensors';
import { bundleScript, root } from '../support/bundle';

let script: string;
let folder: string;

beforeAll(() => {
  script = bundleScript(path.join(root, 'examples', 'video', 'main.ts'), 'video_example');
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-video-'));
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

interface Ended {
  code: number | null;
  out: string;
  errors: string;
}

/** Runs the example; `watch` sees all that it has printed so far. */
function run(args: string[], watch?: (out: string, child: ChildProcess) => void): Promise<Ended> {
  const child = spawn(process.execPath, [script, ...args], { cwd: folder });
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

const at = (out: string, name: string) => path.join(folder, out, name);
const results = (out: string) => JSON.parse(fs.readFileSync(at(out, 'results.json'), 'utf8'));

test('learns, and leaves samples, figures, weights and the loss curve', async () => {
  const { code, out, errors } = await run(['--quick', '--out', 'whole']);
  expect([errors, code]).toEqual(['', 0]);
  expect(out).toMatch(/step 20\/20: loss \d\.\d{4}, \d+ tokens\/s, 0:00 left/);
  expect(out).toMatch(/sampled, from labels: 9 steps/);
  const { steps, losses, heldOut, samples } = results('whole');
  expect(steps).toBe(20);
  expect(losses).toHaveLength(20);
  expect(heldOut).toHaveLength(3);
  expect(heldOut[2].loss).toBeLessThan(0.8 * heldOut[0].loss);
  expect(heldOut[2].windowErrors).toHaveLength(2);
  // The first window is given.
  const [first, second, third] = samples.continuationErrors;
  expect([first, second]).toEqual([0, 0]);
  expect(third).toBeGreaterThan(0);
  const strip = await sharp(at('whole', 'samples.png')).metadata();
  // Two videos in three kinds of rows; six frames of 16 pixels, three times as large, and gaps.
  expect([strip.width, strip.height]).toEqual([6 * 50 + 2, 6 * 50 + 2]);
  const animation = await sharp(at('whole', 'samples.gif'), { animated: true }).metadata();
  expect([animation.pages, animation.width, animation.pageHeight]).toEqual([6, 102, 152]);
  expect(fs.readFileSync(at('whole', 'loss.svg'), 'utf8')).toMatch(/^<svg.*held-out.*<\/svg>/s);
  const { tensors } = readSafetensors(at('whole', 'model.safetensors'));
  expect(tensors.get('blocks.0.self_attn.w0')?.shape).toEqual([2, 12, 12]);
});

test('a run that was interrupted goes on to what an unbroken one gives', async () => {
  let interrupted = false;
  const stopped = await run(['--quick', '--out', 'broken'], (out, child) => {
    if (interrupted || !/^step [5-9]\//m.test(out)) return;
    interrupted = child.kill('SIGINT');
  });
  expect(stopped.code).toBe(130);
  expect(stopped.out).toMatch(/Stopped after step \d+; the checkpoint is .*checkpoint.safetensors/);
  expect(stopped.out).toContain('npm run example:video -- --resume --out broken');
  const resumed = await run(['--resume', '--out', 'broken']);
  expect([resumed.errors, resumed.code]).toEqual(['', 0]);
  expect(results('broken').losses).toEqual(results('whole').losses);
  for (const name of ['samples.png', 'model.safetensors']) {
    const [broken, whole] = ['broken', 'whole'].map((out) => fs.readFileSync(at(out, name)));
    expect(broken.equals(whole)).toBe(true);
  }
});

test.each([
  [['--wrong'], /Unknown option '--wrong'/],
  [['--steps', '2.5'], /Expected a whole number for --steps but got '2.5'/],
  [['--resume', '--quick'], /Expected no --quick beside --resume/],
  [['--resume', '--out', 'nowhere'], /Expected a checkpoint for --resume but got no .*nowhere/],
])('%j is refused', async (args, message) => {
  const { code, errors } = await run(args);
  expect([code, errors]).toEqual([2, expect.stringMatching(message)]);
});

test('--help tells every option', async () => {
  const { code, out } = await run(['--help']);
  expect(code).toBe(0);
  for (const option of ['steps', 'resume', 'quick', 'out']) expect(out).toContain(`--${option}`);
});
