import * as tf from '@tensorflow/tfjs-core';

/** A random tensor with entries in [low, high), the same for the same seed. */
export function randomTensor(shape: number[], seed: number, low = -1, high = 1): tf.Tensor {
  return tf.randomUniform(shape, low, high, 'float32', seed);
}

/**
 * Compares the gradient of f(inputs) along a random direction with a central difference, for a
 * random projection of f's output. Returns |analytic - numeric| / max(|analytic|, |numeric|).
 */
export function directionalError(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
  step = 1e-2,
): number {
  return tf.tidy(() => {
    const directions = inputs.map((input, index) => randomTensor(input.shape, 100 + index));
    const projection = randomTensor(f(...inputs).shape, 99);
    const loss = (...values: tf.Tensor[]) => tf.sum(tf.mul(f(...values), projection)) as tf.Scalar;
    const gradients = tf.grads(loss)(inputs);
    gradients.forEach((gradient, index) => {
      expect(gradient.shape).toEqual(inputs[index].shape);
    });
    const analytic = gradients
      .map((gradient, index) => tf.sum(tf.mul(gradient, directions[index])).dataSync()[0])
      .reduce((total, term) => total + term, 0);
    const lossAt = (distance: number) =>
      loss(
        ...inputs.map((input, index) => tf.add(input, tf.mul(directions[index], distance))),
      ).dataSync()[0];
    const numeric = (lossAt(step) - lossAt(-step)) / (2 * step);
    return Math.abs(analytic - numeric) / Math.max(Math.abs(analytic), Math.abs(numeric));
  });
}
