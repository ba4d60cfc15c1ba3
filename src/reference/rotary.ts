import * as tf from '@tensorflow/tfjs-core';

/**
 * Rotary position embedding on half-split pairs: features i and i + headDim / 2 of the token at
 * position p turn by the angle p * base^(-2 i / headDim). Angles are computed in float64.
 *
 * @param x [batch, tokens, heads, headDim], headDim even
 * @param offset position of the first token
 * @returns [batch, tokens, heads, headDim]
 */
export function rotaryEmbedding(x: tf.Tensor4D, base: number, offset = 0): tf.Tensor4D {
  const [, tokens, , headDim] = x.shape;
  tf.util.assert(headDim % 2 === 0, () => `Expected an even headDim for x but got ${headDim}`);
  const half = headDim / 2;
  return tf.tidy(() => {
    const angles = Array.from({ length: tokens * half }, (_, at) => {
      const position = offset + Math.floor(at / half);
      return position * base ** ((-2 * (at % half)) / headDim);
    });
    const table = (f: (angle: number) => number) =>
      tf.tensor4d(Float32Array.from(angles, f), [1, tokens, 1, half]);
    const [cos, sin] = [table(Math.cos), table(Math.sin)];
    const [first, second] = tf.split(x, 2, 3);
    return tf.concat(
      [
        tf.sub(tf.mul(first, cos), tf.mul(second, sin)),
        tf.add(tf.mul(second, cos), tf.mul(first, sin)),
      ],
      3,
    ) as tf.Tensor4D;
  });
}
