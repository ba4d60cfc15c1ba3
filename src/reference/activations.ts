import * as tf from '@tensorflow/tfjs-core';

/** silu(x) = x sigmoid(x). */
export function silu<T extends tf.Tensor>(x: T): T {
  return tf.mul(x, tf.sigmoid(x));
}

/** gelu(x) = x Phi(x), with the normal distribution function exactly. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))) as T);
}

/**
 * Step sizes from their projection: softplus(x + softplus^-1(base)), so that x = 0 gives `base`.
 * LaCT uses base 0.001 for language and video, 0.01 for view synthesis.
 */
export function stepSizes<T extends tf.Tensor>(x: T, base: number): T {
  const inverse = base + Math.log(-Math.expm1(-base));
  return tf.softplus(tf.add(x, inverse)) as T;
}
