import * as fs from 'node:fs';

import { readSafetensors } from '../../src/io/safetensors';
import { Example } from '../support/examples';

const example = new Example('language_model');

afterAll(() => example.dispose());

const results = (out: string) => JSON.parse(example.text(out, 'results.json'));

test('checks a step, trains, and leaves figures, weights, a sample and the loss curve', async () => {
  const { code, out, errors } = await example.run(['--quick', '--out', 'whole']);
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
  expect(example.text('whole', 'loss.svg')).toMatch(/^<svg.*held-out chapters.*<\/svg>/s);
  expect(example.text('whole', 'sample.txt')).toMatch(/^20\. All Astir\./);
  const { tensors } = readSafetensors(example.file('whole', 'model.safetensors'));
  expect(tensors.get('layers.0.attn.qkv.weight')?.shape).toEqual([96, 32]);
});

test('a run that was interrupted goes on to what an unbroken one gives', async () => {
  let interrupted = false;
  const stopped = await example.run(
    ['--quick', '--steps', '24', '--out', 'broken'],
    (out, child) => {
      if (interrupted || !/^step [5-9]\//m.test(out)) return;
      interrupted = child.kill('SIGINT');
    },
  );
  expect(stopped.code).toBe(130);
  expect(stopped.out).toMatch(/Stopped after step \d+; the checkpoint is .*checkpoint.safetensors/);
  expect(stopped.out).toContain('npm run demo -- --resume --out broken');
  expect(fs.existsSync(example.file('broken', 'results.json'))).toBe(false);

  const resumed = await example.run(['--resume', '--out', 'broken']);
  expect([resumed.errors, resumed.code]).toEqual(['', 0]);
  expect(resumed.out).toMatch(/Going on after step \d+ of 24/);
  const unbroken = await example.run(['--quick', '--steps', '24', '--out', 'unbroken']);
  expect(unbroken.code).toBe(0);
  const figures = ({ heldOut, losses }: ReturnType<typeof results>) => ({ heldOut, losses });
  expect(figures(results('broken'))).toEqual(figures(results('unbroken')));
  for (const name of ['sample.txt', 'model.safetensors']) {
    const [broken, whole] = ['broken', 'unbroken'].map((out) =>
      fs.readFileSync(example.file(out, name)),
    );
    expect(broken.equals(whole)).toBe(true);
  }
});

test('with --minutes the number of steps follows from the pace', async () => {
  const { code } = await example.run(['--quick', '--minutes', '0.05', '--out', 'timed']);
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
  const { code, errors } = await example.run(args);
  expect([code, errors]).toEqual([wanted, expect.stringMatching(message)]);
});

test('a checkpoint that is damaged is an error that says so', async () => {
  fs.mkdirSync(example.file('damaged'));
  fs.writeFileSync(example.file('damaged', 'checkpoint.safetensors'), 'not a checkpoint');
  const { code, errors } = await example.run(['--resume', '--out', 'damaged']);
  expect([code, errors]).toEqual([1, expect.stringMatching(/^ERR_CHECKPOINT: .*damaged/)]);
});

test('--help tells every option', async () => {
  const { code, out } = await example.run(['--help']);
  expect(code).toBe(0);
  for (const option of ['minutes', 'steps', 'resume', 'quick', 'out', 'backend']) {
    expect(out).toContain(`--${option}`);
  }
});
