import * as tf from '@tensorflow/tfjs-core';

/**
 * Euclidean norm over `axes`, which stay as axes of length 1. Where the norm is 0 its gradient is
 * 0, as a zero matrix must stay usable; the gradient of tf.sqrt would be NaN there.
 */
export function norm(x: tf.Tensor, axes: number[]): tf.Tensor {
  return tf.customGrad((x, save) => {
    const input = x as tf.Tensor;
    const value = tf.sqrt(tf.sum(tf.square(input), axes, true));
    (save as tf.GradSaveFunc)([input, value]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [input, value] = saved;
      return tf.mul(dy, tf.divNoNan(input, value));
    };
    return { value, gradFunc };
  })(x);
}

/** The value of `x` with no gradient to it. */
export function detach(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor]);
    return {
      value: tf.clone(x as tf.Tensor),
      gradFunc: (_dy: tf.Tensor, saved: tf.Tensor[]) => tf.zerosLike(saved[0]),
    };
  })(x);
}

/**
 * Root-mean-square norm over the last axis: x / sqrt(mean(x^2) + epsilon) * weight.
 *
 * @param x [..., features]
 * @param weight [features]
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor1D, epsilon: number): T {
  return tf.tidy(() => {
    const meanSquare = tf.mean(tf.square(x), -1, true);
    return tf.mul(tf.div(x, tf.sqrt(tf.add(meanSquare, epsilon))), weight) as T;
  });
}

/**
 * Layer norm over the last axis, without a bias: (x - mean(x)) / sqrt(variance(x) + epsilon) * weight.
 *
 * @param x [..., features]
 * @param weight [features]
 */
export function layerNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor1D, epsilon = 1e-5): T {
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    return rmsNorm(centred, weight, epsilon) as T;
  });
}

/**
 * x / (||x|| + 1e-5) over the last axis, as the fast weights read their queries and keys.
 *
 * @param x [..., features]
 */
export function l2Norm<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.div(x, tf.add(norm(x, [x.rank - 1]), 1e-5)) as T);
}
