import { expected } from '../native/errors';
import type { Random } from './random';

/** A small grey picture, such as a digit. */
export interface Sprite {
  width: number;
  height: number;
  /** [height * width], row by row; 0 is the background. */
  pixels: ArrayLike<number>;
}

export interface MovingSpritesShape {
  frames: number;
  height: number;
  width: number;
  /** Least and greatest speed of a sprite, in pixels a frame. */
  speed: [least: number, greatest: number];
}

/**
 * A number that moves within [0, range] and turns back at both ends: where it is after moving from
 * `start` by `distance`.
 */
function bounced(start: number, distance: number, range: number): number {
  if (range === 0) return 0;
  const period = 2 * range;
  const at = (((start + distance) % period) + period) % period;
  return at <= range ? at : period - at;
}

/** Draws a sprite with its corner between pixels, by bilinear weights; the brighter value stays. */
function draw(sprite: Sprite, left: number, top: number, frame: Float32Array, width: number): void {
  const [column, row] = [Math.floor(left), Math.floor(top)];
  const [right, down] = [left - column, top - row];
  const at = (x: number, y: number) =>
    x < 0 || y < 0 || x >= sprite.width || y >= sprite.height
      ? 0
      : sprite.pixels[y * sprite.width + x];
  const height = frame.length / width;
  for (let y = 0; y <= sprite.height && row + y < height; y++) {
    for (let x = 0; x <= sprite.width && column + x < width; x++) {
      const upper = (1 - right) * at(x, y - 1) + right * at(x - 1, y - 1);
      const lower = (1 - right) * at(x, y) + right * at(x - 1, y);
      const index = (row + y) * width + column + x;
      frame[index] = Math.max(frame[index], (1 - down) * lower + down * upper);
    }
  }
}

/**
 * A video of sprites that move in straight lines and bounce off the borders, as in Moving MNIST
 * (Srivastava et al. 2015, arXiv 1502.04681): each starts anywhere, in any direction. Positions are
 * not rounded to pixels; where sprites overlap the brighter value is seen.
 *
 * @param sprites at least one, none larger than the video
 * @param random draws places, directions and speeds
 * @returns [frames * height * width], frame by frame and row by row
 * @throws FastWeightError ERR_RANGE for sizes that are no counts, speeds below 0 or in the wrong
 *   order; ERR_SHAPE for a sprite that does not fit
 */
export function movingSprites(
  sprites: readonly Sprite[],
  shape: MovingSpritesShape,
  random: Random,
): Float32Array {
  const { frames, height, width, speed } = shape;
  for (const [name, size] of Object.entries({ frames, height, width, sprites: sprites.length })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw expected('ERR_RANGE', 'an integer of at least 1', name, `${size}`);
    }
  }
  const [least, greatest] = speed;
  if (!(least >= 0 && greatest >= least && Number.isFinite(greatest))) {
    throw expected('ERR_RANGE', 'two speeds, 0 or more, in order', 'speed', `[${speed}]`);
  }
  const video = new Float32Array(frames * height * width);
  sprites.forEach((sprite, index) => {
    const [rangeX, rangeY] = [width - sprite.width, height - sprite.height];
    if (rangeX < 0 || rangeY < 0 || sprite.pixels.length !== sprite.width * sprite.height) {
      const got = `${sprite.width} x ${sprite.height}, ${sprite.pixels.length} pixels`;
      throw expected('ERR_SHAPE', `at most ${width} x ${height}`, `sprites[${index}]`, got);
    }
    const [x, y] = [random.uniform() * rangeX, random.uniform() * rangeY];
    const direction = 2 * Math.PI * random.uniform();
    const pace = least + (greatest - least) * random.uniform();
    for (let frame = 0; frame < frames; frame++) {
      const left = bounced(x, frame * pace * Math.cos(direction), rangeX);
      const top = bounced(y, frame * pace * Math.sin(direction), rangeY);
      const pixels = video.subarray(frame * height * width, (frame + 1) * height * width);
      draw(sprite, left, top, pixels, width);
    }
  });
  return video;
}
