import * as tf from '@tensorflow/tfjs-core';
import {
  type Camera,
  cameraTensors,
  intrinsicsOf,
  type PosedScene,
  turntable,
  type ViewSynthesisModel,
  viewTensors,
} from 'fastweight';

import sharp = require('sharp');

import { renderMeasured } from './measure';
import type { Measured } from './scenes';

/** Colours in [0, 1], [3, size, size]. */
type Image = ArrayLike<number>;

/** A picture is enlarged to about so many pixels; between pictures is a gap of white. */
const shownSize = 128;
const gap = 4;
/** Context views that a strip shows. */
const shownContexts = 4;

interface Canvas {
  pixels: Buffer;
  width: number;
  height: number;
}

function enlargement(size: number): number {
  return Math.max(1, Math.round(shownSize / size));
}

/** Rows of images side by side; an absent one leaves its place white. */
function canvasOf(rows: readonly (readonly (Image | undefined)[])[], size: number): Canvas {
  const scale = enlargement(size);
  const cell = size * scale + gap;
  const width = cell * Math.max(...rows.map((row) => row.length)) + gap;
  const height = cell * rows.length + gap;
  const pixels = Buffer.alloc(3 * width * height, 255);
  rows.forEach((row, down) => {
    row.forEach((image, right) => {
      if (image === undefined) return;
      for (let y = 0; y < size * scale; y++) {
        for (let x = 0; x < size * scale; x++) {
          const from = Math.floor(y / scale) * size + Math.floor(x / scale);
          const to = (gap + down * cell + y) * width + gap + right * cell + x;
          for (let channel = 0; channel < 3; channel++) {
            const colour = Math.round(255 * image[channel * size * size + from]);
            pixels[3 * to + channel] = Math.min(255, Math.max(0, colour));
          }
        }
      }
    });
  });
  return { pixels, width, height };
}

function imagesOf(images: tf.Tensor5D): Image[] {
  const values = images.dataSync();
  const [, views, channels, height, width] = images.shape;
  const pixels = channels * height * width;
  return Array.from({ length: views }, (_, view) =>
    values.subarray(view * pixels, (view + 1) * pixels),
  );
}

/**
 * A strip as PNG, for each scene two rows: four context views on the left, then the true views above
 * what the model renders from that context.
 */
export async function writeStrip(
  file: string,
  model: ViewSynthesisModel,
  measured: readonly Measured[],
): Promise<void> {
  const rows = measured.flatMap((each) => {
    const { scene, context } = each;
    const { rendering, truth } = renderMeasured(model, each, shownContexts);
    const given = context.slice(0, shownContexts).map((view) => scene.views[view].image);
    const [rendered, wanted] = [rendering, truth].map((images) => imagesOf(images).slice(0, 4));
    tf.dispose([rendering, truth]);
    return [
      [given[0], given[1], undefined, ...wanted],
      [given[2], given[3], undefined, ...rendered],
    ];
  });
  const { pixels, width, height } = canvasOf(rows, measured[0].scene.height);
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toFile(file);
}

/** How far away the cameras of a scene stand on average. */
function meanDistance({ views }: PosedScene): number {
  const distances = views.map(({ camera: { c2w } }) => Math.hypot(c2w[3], c2w[7], c2w[11]));
  return distances.reduce((sum, distance) => sum + distance) / distances.length;
}

/** The horizontal field of view of a camera in degrees. */
function fieldOfView({ fxfycxcy }: Camera, width: number): number {
  return (360 / Math.PI) * Math.atan(width / (2 * fxfycxcy[0]));
}

/** Cameras around a scene as its own cameras stand around it. */
function turntableAround(scene: PosedScene, frames: number): Camera[] {
  const { height, width } = scene;
  const fxfycxcy = intrinsicsOf(fieldOfView(scene.views[0].camera, width), height, width);
  const radius = meanDistance(scene);
  return turntable({ views: frames, height, width, radius }).map((camera) => ({
    ...camera,
    fxfycxcy,
  }));
}

/** A turn around each scene from all its context views, side by side, as an animated GIF. */
export async function writeTurntable(
  file: string,
  model: ViewSynthesisModel,
  measured: readonly Measured[],
  frames: number,
): Promise<void> {
  const turns = measured.map(({ scene, context }) => {
    const { height, width } = scene;
    const images = tf.tidy(() => {
      const states = model.reconstruct(viewTensors([scene], [context]));
      const cameras = cameraTensors([turntableAround(scene, frames)]);
      return model.render(states, cameras, [height, width]);
    });
    const turn = imagesOf(images);
    images.dispose();
    return turn;
  });
  const pages = Array.from({ length: frames }, (_, frame) =>
    canvasOf([turns.map((turn) => turn[frame])], measured[0].scene.height),
  );
  const [{ width, height }] = pages;
  const pixels = Buffer.concat(pages.map((page) => page.pixels));
  // sharp takes the pages of an animation below one another.
  const raw = { width, height: height * frames, channels: 3 as const, pageHeight: height };
  await sharp(pixels, { raw }).gif({ delay: 80, loop: 0 }).toFile(file);
}
