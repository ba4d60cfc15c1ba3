import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import sharp from 'sharp';
import { loadSceneFolder } from '../../src';
import { invertPose, lookAt, positionOf } from '../../src/data/camera';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-scene-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

/** 8 x 4 RGBA: the left half red, the right half clear but for a half-clear green column. */
async function writeImage(name: string): Promise<void> {
  const pixels = Buffer.alloc(8 * 4 * 4);
  for (let y = 0; y < 4; y++) {
    for (let x = 0; x < 8; x++) {
      const colour = x < 4 ? [255, 0, 0, 255] : x === 7 ? [0, 255, 0, 128] : [0, 0, 0, 0];
      pixels.set(colour, 4 * (8 * y + x));
    }
  }
  await sharp(pixels, { raw: { width: 8, height: 4, channels: 4 } })
    .png()
    .toFile(path.join(folder, name));
}

function entry(changes: object = {}): Record<string, unknown> {
  const w2c = invertPose(lookAt([0, -3, 0], [0, 0, 0]));
  const rows = [0, 1, 2, 3].map((row) => w2c.slice(4 * row, 4 * row + 4));
  return { w: 8, h: 4, fx: 10, fy: 10, cx: 4, cy: 2, w2c: rows, file_path: 'a.png', ...changes };
}

const list = (...entries: unknown[]) =>
  fs.writeFileSync(path.join(folder, 'opencv_cameras.json'), JSON.stringify(entries));

test('images come in their own size on white, with cameras', async () => {
  await writeImage('a.png');
  list(entry());
  const scene = await loadSceneFolder(folder, { height: 4, width: 8 });
  expect([scene.height, scene.width, scene.views.length]).toEqual([4, 8, 1]);
  const [{ image, camera }] = scene.views;
  const pixel = (x: number) => [0, 1, 2].map((channel) => image[channel * 32 + x]);
  expect(pixel(0)).toEqual([1, 0, 0]);
  expect(pixel(5)).toEqual([1, 1, 1]);
  const [red, green, blue] = pixel(7);
  expect(green).toBe(1);
  expect(red).toBeCloseTo(0.5, 2);
  expect(blue).toBeCloseTo(0.5, 2);
  expect(camera.fxfycxcy).toEqual([10, 10, 4, 2]);
  positionOf(camera).forEach((value, at) => {
    expect(value).toBeCloseTo([0, -3, 0][at], 10);
  });
});

test('images are scaled to cover the size and cut around the middle, intrinsics too', async () => {
  await writeImage('a.png');
  list(entry());
  const scene = await loadSceneFolder(folder, { height: 8, width: 8 });
  // Scaled by 2 to 16 x 8, then 4 columns cut on either side.
  expect(scene.views[0].camera.fxfycxcy).toEqual([20, 20, 4, 4]);
  const row = scene.views[0].image.slice(64, 72);
  expect(row[0]).toBeCloseTo(0, 1);
  expect(row[7]).toBeCloseTo(1, 1);
});

test('views are chosen and poses normalised', async () => {
  await writeImage('a.png');
  const at = (x: number) => {
    const w2c = invertPose(lookAt([x, -3, 0], [0, 0, 0]));
    return entry({ w2c: [0, 1, 2, 3].map((row) => w2c.slice(4 * row, 4 * row + 4)) });
  };
  list(at(-1), at(0), at(1));
  const size = { height: 4, width: 8 };
  const chosen = await loadSceneFolder(folder, { ...size, views: [2, 0] });
  expect(chosen.views.map(({ camera }) => positionOf(camera)[0])).toEqual([
    expect.closeTo(1, 10),
    expect.closeTo(-1, 10),
  ]);
  const normalised = await loadSceneFolder(folder, { ...size, normalisePoses: true });
  const positions = normalised.views.map(({ camera }) => positionOf(camera));
  expect(Math.max(...positions.flat().map(Math.abs))).toBeCloseTo(1, 10);
});

const without = (key: string) => {
  const { [key]: _, ...rest } = entry();
  return rest;
};
test.each<[string, RegExp, () => void]>([
  ['no cameras file', /a file that can be read for .*opencv_cameras\.json/, () => undefined],
  [
    'what is no JSON',
    /Expected JSON for/,
    () => fs.writeFileSync(path.join(folder, 'opencv_cameras.json'), '[{'),
  ],
  ['no list', /a list of views/, () => list()],
  ['a missing key', /a number for fx of view 0 of .* but got none/, () => list(without('fx'))],
  ['no path', /the path of an image for file_path/, () => list(without('file_path'))],
  ['no matrix', /4 rows of 4 numbers for w2c/, () => list(entry({ w2c: [[1, 2]] }))],
  [
    'a matrix that is no pose',
    /a rotation for w2c of .*a\.png/,
    () => list(entry({ w2c: Array(4).fill([1, 0, 0, 0]) })),
  ],
  [
    'a missing image',
    /an image that can be read for .*b\.png/,
    () => list(entry({ file_path: 'b.png' })),
  ],
  [
    'what is no image',
    /an image that can be read for .*c\.png/,
    () => {
      fs.writeFileSync(path.join(folder, 'c.png'), 'no picture');
      list(entry({ file_path: 'c.png' }));
    },
  ],
  ['another size', /9 x 4 pixels for .*a\.png but got 8 x 4/, () => list(entry({ w: 9 }))],
])('%s is an ERR_DATA that says where', async (_name, message, prepare) => {
  await writeImage('a.png');
  prepare();
  const load = loadSceneFolder(folder, { height: 4, width: 8 });
  await expect(load).rejects.toMatchObject({ code: 'ERR_DATA' });
  await expect(load).rejects.toThrow(message);
});

test('a view or a size that is none is an ERR_RANGE', async () => {
  list(entry());
  const code = { code: 'ERR_RANGE' };
  await expect(loadSceneFolder(folder, { height: 4, width: 8, views: [1] })).rejects.toMatchObject(
    code,
  );
  await expect(loadSceneFolder(folder, { height: 0, width: 8 })).rejects.toMatchObject(code);
});

const published = path.join(__dirname, '..', '..', '..', '..', 'shared', 'data', 'gso_character');
const present = fs.existsSync(published);
if (!present) console.warn(`skipped: there is no ${published}`);
(present ? test : test.skip)('the published example scene loads', async () => {
  const scene = await loadSceneFolder(published, { height: 16, width: 16, views: [0, 40] });
  expect(scene.name).toBe('gso_character');
  for (const { camera, image } of scene.views) {
    expect(Math.hypot(...positionOf(camera))).toBeCloseTo(2.7, 4);
    expect(image[0]).toBe(1);
    expect(Math.min(...image)).toBeLessThan(0.6);
    expect(camera.fxfycxcy[2]).toBe(8);
  }
});
