import * as tf from '@tensorflow/tfjs-core';

/**
 * Rotary position embedding of a video on interleaved pairs: a head's pairs are shared out among
 * the frame, the row and the column of a token; pair i of an axis's n turns by
 * position * 10000^(-i / n). Angles are computed in float64.
 *
 * @param x [batch, tokens, heads, headDim], headDim even
 * @param places frame, row and column of each token
 * @returns shaped as x
 */
export function videoRotaryEmbedding(x: tf.Tensor4D, places: number[][]): tf.Tensor4D {
  const [batch, tokens, heads, headDim] = x.shape;
  const pairs = headDim / 2;
  const third = Math.floor(pairs / 3);
  const shares = [pairs - 2 * third, third, third];
  return tf.tidy(() => {
    const angles = places.flatMap((place) =>
      shares.flatMap((share, axis) =>
        Array.from({ length: share }, (_, i) => place[axis] * 10000 ** (-i / share)),
      ),
    );
    const table = (f: (angle: number) => number) =>
      tf.tensor4d(Float32Array.from(angles, f), [1, tokens, 1, pairs]);
    const [cos, sin] = [table(Math.cos), table(Math.sin)];
    const [first, second] = tf.unstack(tf.reshape(x, [batch, tokens, heads, pairs, 2]), 4);
    const turned = [
      tf.sub(tf.mul(first, cos), tf.mul(second, sin)),
      tf.add(tf.mul(second, cos), tf.mul(first, sin)),
    ];
    return tf.reshape(tf.stack(turned, 4), x.shape);
  });
}
