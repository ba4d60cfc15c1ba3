import * as tf from '@tensorflow/tfjs-core';

import type { PosedImages } from '../models/posed_patches';
import type { Cameras } from '../ops/camera_rays';

/** Rays through pixel centres, [batch, views, height, width, 3] each; directions of length 1. */
function rays({ c2w, fxfycxcy }: Cameras, height: number, width: number) {
  const [batch, views] = c2w.shape;
  const grid = [batch, views, height, width, 1];
  const intrinsics = tf.split(tf.reshape(fxfycxcy, [batch, views, 1, 1, 4]), 4, 4);
  const [fx, fy, cx, cy] = intrinsics;
  const centres = (pixels: number, shape: number[]) =>
    tf.reshape(tf.add(tf.range(0, pixels), 0.5), shape);
  const x = tf.div(tf.sub(centres(width, [1, 1, 1, width, 1]), cx), fx);
  const y = tf.div(tf.sub(centres(height, [1, 1, height, 1, 1]), cy), fy);
  const local = tf.concat([tf.broadcastTo(x, grid), tf.broadcastTo(y, grid), tf.ones(grid)], 4);
  const flat = tf.reshape(local, [batch * views, height * width, 3]);
  const matrices = tf.reshape(c2w, [batch * views, 4, 4]);
  const rotation = tf.slice(matrices, [0, 0, 0], [-1, 3, 3]);
  const turned = tf.matMul(flat, rotation, false, true);
  const directions = tf.div(turned, tf.sqrt(tf.sum(tf.square(turned), -1, true)));
  const origin = tf.reshape(tf.slice(matrices, [0, 0, 3], [-1, 3, 1]), [batch, views, 1, 1, 3]);
  const shape = [batch, views, height, width, 3];
  return {
    origins: tf.broadcastTo(origin, shape),
    directions: tf.reshape(directions, shape) as tf.Tensor,
  };
}

function crossProduct(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const [ax, ay, az] = tf.split(a, 3, -1);
  const [bx, by, bz] = tf.split(b, 3, -1);
  const component = (p: tf.Tensor, q: tf.Tensor, r: tf.Tensor, s: tf.Tensor) =>
    tf.sub(tf.mul(p, q), tf.mul(r, s));
  return tf.concat(
    [component(ay, bz, az, by), component(az, bx, ax, bz), component(ax, by, ay, bx)],
    -1,
  );
}

/**
 * Tokens of images: patches row by row of ray origin, direction, origin x direction and colour in
 * [-1, 1]; the colour is 0 where an image has none.
 *
 * @returns [batch, views * patches, patchSize^2 * 12]
 */
export function posedTokens(
  images: Cameras & Partial<PosedImages>,
  [height, width]: readonly number[],
  patchSize: number,
): tf.Tensor3D {
  return tf.tidy(() => {
    const { origins, directions } = rays(images, height, width);
    const colours = images.image
      ? tf.sub(tf.mul(tf.transpose(images.image, [0, 1, 3, 4, 2]), 2), 1)
      : tf.zeros(origins.shape);
    const pixels = [origins, directions, crossProduct(origins, directions), colours];
    const all = tf.concat(pixels, 4);
    const [batch, views] = images.c2w.shape;
    const [rows, columns] = [height / patchSize, width / patchSize];
    const split = tf.reshape(all, [batch * views, rows, patchSize, columns, patchSize * 12]);
    const patches = tf.transpose(split, [0, 1, 3, 2, 4]);
    return tf.reshape(patches, [batch, views * rows * columns, patchSize ** 2 * 12]);
  });
}

/** Tokens of colours [batch, views * patches, patchSize^2 * 3] as [batch, views, 3, height, width]. */
export function imagesOf(
  tokens: tf.Tensor3D,
  [height, width]: readonly number[],
  patchSize: number,
): tf.Tensor5D {
  return tf.tidy(() => {
    const [rows, columns] = [height / patchSize, width / patchSize];
    const split = tf.reshape(tokens, [-1, rows, columns, patchSize, patchSize, 3]);
    const turned = tf.transpose(split, [0, 5, 1, 3, 2, 4]);
    return tf.reshape(turned, [tokens.shape[0], -1, 3, height, width]);
  });
}
