import * as tf from '@tensorflow/tfjs-core';
import { FastWeightBackend } from '../backend/fastweight_backend';
import { globalNorm as kernel } from '../kernels/optimizers';
import { inputsOf } from '../kernels/optimizers/tensor_table';
import { expected } from '../native/errors';

/**
 * sqrt of the sum of squares over all elements of all tensors; one native call on a fastweight
 * backend.
 *
 * @returns a scalar
 */
export function globalNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  if (tensors.length === 0) throw expected('ERR_ARGUMENT', 'at least one', 'tensors', 'none');
  if (tf.backend() instanceof FastWeightBackend) {
    return tf.engine().runKernel(kernel, inputsOf([tensors]), {}) as tf.Scalar;
  }
  return tf.tidy(() => {
    const squares = tensors.map((tensor) => tf.sum(tf.square(tensor)));
    return tf.sqrt(tf.addN(squares)) as tf.Scalar;
  });
}

/**
 * Gradients scaled together so that their global norm is at most `maxNorm` (Pascanu et al., "On
 * the difficulty of training recurrent neural networks", 2013).
 *
 * @param gradients of any shapes; where the norm is small enough they are returned as they are
 * @param norm their global norm
 * @throws FastWeightError ERR_RANGE for a maxNorm that is not above 0.
 */
export function clipByGlobalNorm<T extends tf.Tensor>(
  gradients: readonly T[],
  norm: number,
  maxNorm: number,
): T[] {
  if (!(maxNorm > 0)) throw expected('ERR_RANGE', 'a norm above 0', 'maxNorm', `${maxNorm}`);
  if (!(norm > maxNorm)) return [...gradients];
  return gradients.map((gradient) => tf.mul(gradient, maxNorm / norm) as T);
}
