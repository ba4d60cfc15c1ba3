import * as fs from 'node:fs';
import sharp from 'sharp';
import { Example } from '../support/examples';

const example = new Example('streaming');

afterAll(() => example.dispose());

test('reads a prompt in constant memory, and leaves charts, figures and a sample', async () => {
  const { code, out, errors } = await example.run([
    '--quick',
    '--train-steps',
    '3',
    '--out',
    'out',
  ]);
  expect([errors, code]).toEqual(['', 0]);
  expect(out).toMatch(/Training a model for 3 steps/);
  expect(out).toMatch(/4000 bytes: \d+ KiB held, \d\.\d+ ms a byte read, \d+\.\d+ ms a step/);
  expect(out).toMatch(/The session holds \d+ KiB, at most \d+ KiB/);
  const { measured } = JSON.parse(example.text('out', 'results.json'));
  expect(measured).toHaveLength(50);
  expect(measured[49].tokens).toBe(4000);
  // From the second measurement on all windows and chunks are full.
  const held = measured
    .slice(1)
    .map(({ sessionBytes, nativeBytes }: Record<string, number>) => [sessionBytes, nativeBytes]);
  expect(new Set(held.map(String)).size).toBe(1);
  for (const name of ['memory.svg', 'time.svg']) {
    expect(example.text('out', name)).toMatch(/^<svg.*bytes of the prompt read.*<\/svg>/s);
  }
  const { width, height } = await sharp(example.file('out', 'stream.png')).metadata();
  expect([width > 700, height > 900]).toEqual([true, true]);
  expect(Buffer.byteLength(fs.readFileSync(example.file('out', 'sample.txt')))).toBeGreaterThan(
    120,
  );
  // The same seed writes the same; what it was trained on is the same, too.
  const again = await example.run(['--quick', '--train-steps', '3', '--out', 'again']);
  expect(again.code).toBe(0);
  const sample = fs.readFileSync(example.file('again', 'sample.txt'));
  expect(sample.equals(fs.readFileSync(example.file('out', 'sample.txt')))).toBe(true);
});

test.each([
  [['--wrong'], /Unknown option '--wrong'/],
  [['--tokens', '0'], /Expected a number above 0 for --tokens but got '0'/],
  [['--seed', '1.5'], /for --seed but got '1.5'/],
  [
    ['--checkpoint', 'a', '--train-steps', '2'],
    /Expected --checkpoint or --train-steps but got both/,
  ],
])('%j is refused', async (args, message) => {
  const { code, errors } = await example.run(args);
  expect([code, errors]).toEqual([2, expect.stringMatching(message)]);
});

test('--help tells every option', async () => {
  const { code, out } = await example.run(['--help']);
  expect(code).toBe(0);
  for (const option of ['tokens', 'checkpoint', 'train-steps', 'sample', 'seed', 'quick', 'out']) {
    expect(out).toContain(`--${option}`);
  }
});
