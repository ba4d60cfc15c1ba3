import * as fs from 'node:fs';
import sharp from 'sharp';
import { readSafetensors } from '../../src/io/safetensors';
import { Example } from '../support/examples';

const example = new Example('video');

afterAll(() => example.dispose());

const results = (out: string) => JSON.parse(example.text(out, 'results.json'));

test('learns, and leaves samples, figures, weights and the loss curve', async () => {
  const { code, out, errors } = await example.run(['--quick', '--out', 'whole']);
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
  const strip = await sharp(example.file('whole', 'samples.png')).metadata();
  // Two videos in three kinds of rows; six frames of 16 pixels, three times as large, and gaps.
  expect([strip.width, strip.height]).toEqual([6 * 50 + 2, 6 * 50 + 2]);
  const animation = await sharp(example.file('whole', 'samples.gif'), {
    animated: true,
  }).metadata();
  expect([animation.pages, animation.width, animation.pageHeight]).toEqual([6, 102, 152]);
  expect(example.text('whole', 'loss.svg')).toMatch(/^<svg.*held-out.*<\/svg>/s);
  const { tensors } = readSafetensors(example.file('whole', 'model.safetensors'));
  expect(tensors.get('blocks.0.self_attn.w0')?.shape).toEqual([2, 12, 12]);
});

test('a run that was interrupted goes on to what an unbroken one gives', async () => {
  let interrupted = false;
  const stopped = await example.run(['--quick', '--out', 'broken'], (out, child) => {
    if (interrupted || !/^step [5-9]\//m.test(out)) return;
    interrupted = child.kill('SIGINT');
  });
  expect(stopped.code).toBe(130);
  expect(stopped.out).toMatch(/Stopped after step \d+; the checkpoint is .*checkpoint.safetensors/);
  expect(stopped.out).toContain('npm run example:video -- --resume --out broken');
  const resumed = await example.run(['--resume', '--out', 'broken']);
  expect([resumed.errors, resumed.code]).toEqual(['', 0]);
  expect(results('broken').losses).toEqual(results('whole').losses);
  for (const name of ['samples.png', 'model.safetensors']) {
    const [broken, whole] = ['broken', 'whole'].map((out) =>
      fs.readFileSync(example.file(out, name)),
    );
    expect(broken.equals(whole)).toBe(true);
  }
});

test.each([
  [['--wrong'], /Unknown option '--wrong'/],
  [['--steps', '2.5'], /Expected a whole number for --steps but got '2.5'/],
  [['--resume', '--quick'], /Expected no --quick beside --resume/],
  [['--resume', '--out', 'nowhere'], /Expected a checkpoint for --resume but got no .*nowhere/],
])('%j is refused', async (args, message) => {
  const { code, errors } = await example.run(args);
  expect([code, errors]).toEqual([2, expect.stringMatching(message)]);
});

test('--help tells every option', async () => {
  const { code, out } = await example.run(['--help']);
  expect(code).toBe(0);
  for (const option of ['steps', 'resume', 'quick', 'out']) expect(out).toContain(`--${option}`);
});
