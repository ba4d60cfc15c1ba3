import * as tf from '@tensorflow/tfjs-core';

/** [batch, tokens, heads * dim] -> [batch, tokens, heads, dim] */
export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, tokens, width] = x.shape;
  return tf.reshape(x, [batch, tokens, heads, width / heads]);
}

/** [batch, tokens, heads, dim] -> [batch, tokens, heads * dim] */
export function joinHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [batch, tokens, heads, dim] = x.shape;
  return tf.reshape(x, [batch, tokens, heads * dim]);
}

/** [batch, tokens, heads * dim] -> [batch * heads, tokens, dim] */
export function toRows(x: tf.Tensor3D, heads: number): tf.Tensor3D {
  const [batch, tokens, width] = x.shape;
  const split = tf.transpose(splitHeads(x, heads), [0, 2, 1, 3]);
  return tf.reshape(split, [batch * heads, tokens, width / heads]);
}

/** [batch * heads, tokens, dim] -> [batch, tokens, heads * dim] */
export function fromRows(x: tf.Tensor3D, heads: number): tf.Tensor3D {
  const [rows, tokens, dim] = x.shape;
  const split: tf.Tensor4D = tf.reshape(x, [rows / heads, heads, tokens, dim]);
  return joinHeads(tf.transpose(split, [0, 2, 1, 3]));
}
