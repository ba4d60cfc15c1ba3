import { engine, type Tensor3D } from '@tensorflow/tfjs-core';
import { type NewtonSchulzAttrs, newtonSchulzKernel } from '../kernels/fast_weights/names';
import { expected } from '../native/errors';
import { flatSchedule, type NewtonSchulzSchedule } from './newton_schulz_schedule';
import { assertBackend, assertTensor } from './validate';

/**
 * Newton-Schulz iteration towards the orthogonal factor U V^T of each matrix (Muon; LaCT, arXiv
 * 2505.23884, section 3). Each step is x <- a x + (b A + c A A) x with A = x x^T, on the orientation
 * with rows <= columns, from x = d / (||d||_F + epsilon). Differentiable in `d`.
 *
 * @param d [matrices, rows, columns], float32
 * @param schedule 'you5', 'keller5' or the like, or a list of [a, b, c]
 * @param epsilon keeps a zero matrix zero
 * @returns [matrices, rows, columns]
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT, ERR_OUT_OF_MEMORY,
 * ERR_DEVICE_UNAVAILABLE on a backend that is not ours
 */
export function newtonSchulz(
  d: Tensor3D,
  schedule: NewtonSchulzSchedule = 'you5',
  epsilon = 1e-7,
): Tensor3D {
  assertBackend('newtonSchulz');
  assertTensor('d', d, ['matrices', 'rows', 'columns']);
  if (!(Number.isFinite(epsilon) && epsilon >= 0)) {
    throw expected('ERR_ARGUMENT', 'a number of at least 0', 'epsilon', String(epsilon));
  }
  const attrs: NewtonSchulzAttrs = { newtonSchulz: flatSchedule(schedule), epsilon };
  return engine().runKernel(
    newtonSchulzKernel,
    { d },
    attrs as unknown as Record<string, never>,
  ) as Tensor3D;
}
