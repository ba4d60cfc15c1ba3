import * as tf from '@tensorflow/tfjs-core';

type Shape3 = [number, number, number];

/** Standard normal values from `seed`. */
export const normal3 = (shape: Shape3, seed: number): tf.Tensor3D =>
  tf.randomNormal<tf.Rank.R3>(shape, 0, 1, 'float32', seed);

/** Values in [0, 1) from `seed`. */
export const uniform3 = (shape: Shape3, seed: number): tf.Tensor3D =>
  tf.randomUniform<tf.Rank.R3>(shape, 0, 1, 'float32', seed);
