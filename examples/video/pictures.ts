import type { Tensor5D } from '@tensorflow/tfjs-core';

import sharp = require('sharp');

/** Videos of one kind, [batch, frames, height, width, 1] in [-1, 1]. */
export type Row = Tensor5D;

/** Pixels of a picture for each of a video's, between pictures, and the grey between them. */
const scale = 3;
const gap = 2;
const grey = 96;

interface Grid {
  pixels: Buffer;
  width: number;
  height: number;
}

/** A picture of cells of `height` x `width` pixels with gaps between; `value` gives each in [-1, 1]. */
function grid(
  [rows, columns]: [number, number],
  [height, width]: [number, number],
  value: (row: number, column: number, pixel: number) => number,
): Grid {
  const size = {
    width: columns * (width * scale + gap) + gap,
    height: rows * (height * scale + gap) + gap,
  };
  const pixels = Buffer.alloc(size.width * size.height, grey);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [top, left] = [
        gap + row * (height * scale + gap),
        gap + column * (width * scale + gap),
      ];
      for (let y = 0; y < height * scale; y++) {
        for (let x = 0; x < width * scale; x++) {
          const pixel = Math.floor(y / scale) * width + Math.floor(x / scale);
          const brightness = Math.round(127.5 * (value(row, column, pixel) + 1));
          const at = (top + y) * size.width + left + x;
          pixels[at] = Math.min(255, Math.max(0, brightness));
        }
      }
    }
  }
  return { pixels, ...size };
}

/** Values of all rows, one after another: [row][video, frame, height, width]. */
function valuesOf(rows: readonly Row[]) {
  const [, frames, height, width] = rows[0].shape;
  const values = rows.map((row) => row.dataSync());
  const at = (row: number, video: number, frame: number, pixel: number) =>
    values[row][(video * frames + frame) * height * width + pixel];
  return { at, frames, size: [height, width] as [number, number] };
}

/** A strip: for each video its frames from left to right, in each kind of row. Written as PNG. */
export async function writeStrip(file: string, rows: readonly Row[]): Promise<void> {
  const { at, frames, size } = valuesOf(rows);
  const videos = rows[0].shape[0];
  const { pixels, width, height } = grid(
    [videos * rows.length, frames],
    size,
    (row, frame, pixel) => at(row % rows.length, Math.floor(row / rows.length), frame, pixel),
  );
  await sharp(pixels, { raw: { width, height, channels: 1 } })
    .png()
    .toFile(file);
}

/** The videos side by side, one kind in each row, as an animated GIF. */
export async function writeAnimation(file: string, rows: readonly Row[]): Promise<void> {
  const { at, frames, size } = valuesOf(rows);
  const videos = rows[0].shape[0];
  const pictures = Array.from({ length: frames }, (_, frame) =>
    grid([rows.length, videos], size, (row, video, pixel) => at(row, video, frame, pixel)),
  );
  const { width, height } = pictures[0];
  const pixels = Buffer.concat(pictures.map((picture) => picture.pixels));
  // sharp takes the pages of an animation below one another.
  const raw = { width, height: height * frames, channels: 1 as const, pageHeight: height };
  await sharp(pixels, { raw }).gif({ delay: 150, loop: 0 }).toFile(file);
}
