import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import sharp from 'sharp';

const root = path.join(__dirname, '..', '..');
const example = path.join(root, 'build', 'examples', 'examples', 'streaming', 'main.js');
let folder: string;

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-streaming-'));
  for (const script of ['build:ts', 'build:examples']) {
    const built = spawnSync('npm', ['run', '-s', script], { cwd: root, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`${script}:\n${built.stdout}${built.stderr}`);
  }
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

function run(args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [example, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('reads a prompt in constant memory, and leaves charts, figures and a sample', async () => {
  const { status, stdout, stderr } = run(['--quick', '--train-steps', '3', '--out', 'out']);
  expect([stderr, status]).toEqual(['', 0]);
  expect(stdout).toMatch(/Training a model for 3 steps/);
  expect(stdout).toMatch(/4000 bytes: \d+ KiB held, \d\.\d+ ms a byte read, \d+\.\d+ ms a step/);
  expect(stdout).toMatch(/The session holds \d+ KiB, at most \d+ KiB/);
  const at = (name: string) => path.join(folder, 'out', name);
  const { measured } = JSON.parse(fs.readFileSync(at('results.json'), 'utf8'));
  expect(measured).toHaveLength(50);
  expect(measured[49].tokens).toBe(4000);
  // From the second measurement on all windows and chunks are full.
  const held = measured
    .slice(1)
    .map(({ sessionBytes, nativeBytes }: Record<string, number>) => [sessionBytes, nativeBytes]);
  expect(new Set(held.map(String)).size).toBe(1);
  for (const name of ['memory.svg', 'time.svg']) {
    expect(fs.readFileSync(at(name), 'utf8')).toMatch(/^<svg.*bytes of the prompt read.*<\/svg>/s);
  }
  const { width, height } = await sharp(at('stream.png')).metadata();
  expect([width > 700, height > 900]).toEqual([true, true]);
  expect(Buffer.byteLength(fs.readFileSync(at('sample.txt')))).toBeGreaterThan(120);
  // The same seed writes the same; what it was trained on is the same, too.
  const again = run(['--quick', '--train-steps', '3', '--out', 'again']);
  expect(again.status).toBe(0);
  const sample = fs.readFileSync(path.join(folder, 'again', 'sample.txt'));
  expect(sample.equals(fs.readFileSync(at('sample.txt')))).toBe(true);
});

test.each([
  [['--wrong'], /Unknown option '--wrong'/],
  [['--tokens', '0'], /Expected a number above 0 for --tokens but got '0'/],
  [['--seed', '1.5'], /for --seed but got '1.5'/],
  [
    ['--checkpoint', 'a', '--train-steps', '2'],
    /Expected --checkpoint or --train-steps but got both/,
  ],
])('%j is refused', (args, message) => {
  const { status, stderr } = run(args);
  expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
});

test('--help tells every option', () => {
  const { status, stdout } = run(['--help']);
  expect(status).toBe(0);
  for (const option of ['tokens', 'checkpoint', 'train-steps', 'sample', 'seed', 'quick', 'out']) {
    expect(stdout).toContain(`--${option}`);
  }
});
