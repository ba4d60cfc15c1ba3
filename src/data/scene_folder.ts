import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { expected, FastWeightError } from '../native/errors';
import { type Camera, invertPose, normalisePoses } from './camera';
import type { PosedScene, PosedView } from './posed_scene';

export interface SceneFolderOptions {
  /** Size of the images in pixels; each is scaled to cover it, then cut around its middle. */
  height: number;
  width: number;
  /** Which views to read, in this order; default all. */
  views?: readonly number[];
  /** Put the cameras into a world of their own, see `normalisePoses`; default false. */
  normalisePoses?: boolean;
}

/** The file of a folder that lists its views. */
const camerasFile = 'opencv_cameras.json';

/** A view as the file lists it. */
interface Entry {
  w: number;
  h: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  /** World to camera in OpenCV's axes, 4 rows of 4. */
  w2c: number[][];
  /** Where the image lies, from the folder. */
  file_path: string;
}

const numbers = ['w', 'h', 'fx', 'fy', 'cx', 'cy'] as const;

/**
 * A scene in the format published with LaCT's view synthesis: a folder with `opencv_cameras.json`
 * and the images that it names. Transparent pixels become white.
 *
 * @throws FastWeightError ERR_DATA for a file that is missing or cannot be read, or a view without
 * a key, with a matrix that is no pose or an image of another size than it says; ERR_RANGE for a
 * view that the folder does not have or a size that is none
 */
export async function loadSceneFolder(
  folder: string,
  options: SceneFolderOptions,
): Promise<PosedScene> {
  const { height, width } = options;
  for (const [name, size] of Object.entries({ height, width })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw expected('ERR_RANGE', 'an integer of at least 1', name, `${size}`);
    }
  }
  const file = path.join(folder, camerasFile);
  const entries = await readEntries(file);
  const chosen = options.views ?? entries.map((_, index) => index);
  const views = await Promise.all(
    chosen.map((index) => {
      if (entries[index] === undefined) {
        throw expected('ERR_RANGE', `a view below ${entries.length}`, 'views', `${index}`);
      }
      return readView(folder, checkedEntry(entries[index], `view ${index} of ${file}`), options);
    }),
  );
  const cameras = options.normalisePoses
    ? normalisePoses(views.map(({ camera }) => camera))
    : views.map(({ camera }) => camera);
  return {
    name: path.basename(path.resolve(folder)),
    height,
    width,
    views: views.map(({ image }, at) => ({ camera: cameras[at], image })),
  };
}

async function readEntries(file: string): Promise<unknown[]> {
  const text = await fs.readFile(file, 'utf8').catch((error: Error) => {
    throw expected('ERR_DATA', 'a file that can be read', file, error.message);
  });
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch (error) {
    throw expected('ERR_DATA', 'JSON', file, (error as Error).message);
  }
  if (Array.isArray(entries) && entries.length > 0) return entries;
  throw expected('ERR_DATA', 'a list of views', file, text.slice(0, 40));
}

function checkedEntry(entry: unknown, place: string): Entry {
  const given = (typeof entry === 'object' && entry !== null ? entry : {}) as Partial<Entry>;
  const refuse = (expectation: string, key: string, value: unknown): never => {
    const got = value === undefined ? 'none' : JSON.stringify(value);
    throw expected('ERR_DATA', expectation, `${key} of ${place}`, got);
  };
  for (const key of numbers) {
    const value = given[key];
    const least = key === 'cx' || key === 'cy' ? -Infinity : 0;
    if (!Number.isFinite(value) || (value as number) <= least) refuse('a number', key, value);
  }
  const { file_path, w2c } = given;
  if (typeof file_path !== 'string') refuse('the path of an image', 'file_path', file_path);
  const isMatrix = Array.isArray(w2c) && w2c.length === 4 && w2c.every((row) => row?.length === 4);
  if (!isMatrix) refuse('4 rows of 4 numbers', 'w2c', w2c);
  return given as Entry;
}

/** What an image is scaled to and where it is cut, with the intrinsics that follow. */
function fitted({ w, h, fx, fy, cx, cy }: Entry, height: number, width: number) {
  const scale = Math.max(width / w, height / h);
  const [scaledWidth, scaledHeight] = [Math.round(w * scale), Math.round(h * scale)];
  const left = Math.floor((scaledWidth - width) / 2);
  const top = Math.floor((scaledHeight - height) / 2);
  const fxfycxcy: Camera['fxfycxcy'] = [
    fx * scale,
    fy * scale,
    cx * scale - left,
    cy * scale - top,
  ];
  return { scaledWidth, scaledHeight, left, top, fxfycxcy };
}

async function readView(
  folder: string,
  entry: Entry,
  { height, width }: SceneFolderOptions,
): Promise<PosedView> {
  const file = path.join(folder, entry.file_path);
  const { scaledWidth, scaledHeight, left, top, fxfycxcy } = fitted(entry, height, width);
  const c2w = poseOf(entry, file);
  const { default: sharp } = await import('sharp');
  const source = sharp(file);
  const { data, info } = await source
    .metadata()
    .then((found) => {
      if (found.width === entry.w && found.height === entry.h) return;
      const got = `${found.width} x ${found.height}`;
      throw expected('ERR_DATA', `${entry.w} x ${entry.h} pixels`, file, got);
    })
    .then(() =>
      source
        .resize(scaledWidth, scaledHeight, { kernel: 'lanczos3', fit: 'fill' })
        .extract({ left, top, width, height })
        .flatten({ background: '#ffffff' })
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true }),
    )
    .catch((error: Error) => {
      if (error instanceof FastWeightError) throw error;
      throw expected('ERR_DATA', 'an image that can be read', file, error.message);
    });
  const pixels = height * width;
  const image = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    // An image of greys has one channel for all three colours.
    const from = info.channels >= 3 ? channel : 0;
    for (let pixel = 0; pixel < pixels; pixel++) {
      image[channel * pixels + pixel] = data[pixel * info.channels + from] / 255;
    }
  }
  return { camera: { c2w, fxfycxcy }, image };
}

function poseOf({ w2c }: Entry, file: string): number[] {
  try {
    return invertPose(w2c.flat(), `w2c of ${file}`);
  } catch (error) {
    throw new FastWeightError('ERR_DATA', (error as Error).message);
  }
}
