import * as fs from 'node:fs';
import * as path from 'node:path';
import sharp from 'sharp';

import { readSafetensors } from '../../src/io/safetensors';
import { Example } from '../support/examples';

const example = new Example('views');

afterAll(() => example.dispose());

/** A scene in the published format: two views of a grey square. */
async function writeScene(place: string, views: number): Promise<void> {
  fs.mkdirSync(place);
  const entries = [];
  for (let view = 0; view < views; view++) {
    const file = `${view}.png`;
    const grey = { r: 40 * view, g: 99, b: 99, alpha: 1 };
    await sharp({ create: { width: 20, height: 20, channels: 4, background: grey } })
      .png()
      .toFile(path.join(place, file));
    const turn = (2 * Math.PI * view) / views;
    const [c, s] = [Math.cos(turn), Math.sin(turn)];
    const w2c = [
      [-s, c, 0, 0],
      [0, 0, -1, 0],
      [-c, -s, 0, 2.7],
      [0, 0, 0, 1],
    ];
    entries.push({ w: 20, h: 20, fx: 20, fy: 20, cx: 10, cy: 10, w2c, file_path: file });
  }
  fs.writeFileSync(path.join(place, 'opencv_cameras.json'), JSON.stringify(entries));
}

test('trains on drawn scenes and leaves pictures, figures and weights', async () => {
  const { code, out, errors } = await example.run(['--quick', '--out', 'drawn']);
  expect([errors, code]).toEqual(['', 0]);
  expect(out).toMatch(/10 of 10 scenes drawn/);
  expect(out).toMatch(/step 40\/40: \d+\.\d+ dB PSNR, \d+ tokens\/s, 0:00 left/);
  expect(out).toMatch(/Rendered views of 2 unseen scenes:\n.*\n +1 +\d+\.\d\d +-?\d\.\d{3}\n/);
  const at = (name: string) => example.file('drawn', name);
  const results = JSON.parse(fs.readFileSync(at('results.json'), 'utf8'));
  expect(results).toMatchObject({ steps: 40, stepsSkipped: 0, measuredOn: '2 unseen scenes' });
  expect(results.losses).toHaveLength(40);
  const [first, last] = [results.measurements.at(0), results.measurements.at(-1)];
  expect([first.step, last.step]).toEqual([0, 40]);
  const contexts = last.quality.map(({ contextViews }: { contextViews: number }) => contextViews);
  expect(contexts).toEqual([1, 2, 4, 8]);
  last.quality.forEach(({ psnr }: { psnr: number }, index: number) => {
    expect(psnr).toBeGreaterThan(first.quality[index].psnr + 1);
  });
  // Two scenes, each with two rows of two context views, a gap and four targets.
  const strip = await sharp(at('strip.png')).metadata();
  expect([strip.format, strip.width, strip.height]).toEqual(['png', 7 * 132 + 4, 4 * 132 + 4]);
  const turntable = await sharp(at('turntable.gif'), { animated: true }).metadata();
  expect([turntable.format, turntable.pages, turntable.pageHeight]).toEqual(['gif', 6, 136]);
  expect(fs.readFileSync(at('psnr.svg'), 'utf8')).toMatch(/^<svg.*8 context views.*<\/svg>/s);
  const { tensors } = readSafetensors(at('model.safetensors'));
  expect(tensors.get('blocks.0.module_list.1.f.w0')?.shape).toEqual([2, 16, 16]);
});

test('trains on a folder in the published format', async () => {
  await writeScene(example.file('scene'), 14);
  const words = '--quick --steps 3 --data scene --out read'.split(' ');
  const { code, out, errors } = await example.run(words);
  expect([errors, code]).toEqual(['', 0]);
  expect(out).toMatch(/Rendered views of 7 held-out views of scene/);
  expect(fs.existsSync(example.file('read', 'turntable.gif'))).toBe(true);
});

test.each([
  [['--wrong'], 2, /Unknown option '--wrong'/],
  [['--steps', '2.5'], 2, /Expected a whole number for --steps but got '2.5'/],
  [['--backend', 'abacus'], 2, /Expected one of .* for --backend but got 'abacus'/],
  [['--data', 'nowhere'], 1, /^ERR_DATA: Expected a file that can be read for nowhere/],
])('%j is refused', async (args, wanted, message) => {
  const { code, errors } = await example.run(args);
  expect([code, errors]).toEqual([wanted, expect.stringMatching(message)]);
});

test('--help tells every option', async () => {
  const { code, out } = await example.run(['--help']);
  expect(code).toBe(0);
  for (const option of ['data', 'steps', 'quick', 'out', 'backend']) {
    expect(out).toContain(`--${option}`);
  }
});
