import * as tf from '@tensorflow/tfjs-core';

import type { NewtonSchulzSchedule, NewtonSchulzTriple } from '../ops/newton_schulz_schedule';
import { norm } from './norms';
import { matMul } from './products';

const you5: readonly NewtonSchulzTriple[] = [
  [4.0848, -6.8946, 2.927],
  [3.9505, -6.3029, 2.6377],
  [3.7418, -5.5913, 2.3037],
  [2.8769, -3.1427, 1.2046],
  [2.8366, -3.0525, 1.2012],
];

const keller: NewtonSchulzTriple = [3.4445, -4.775, 2.0315];

/**
 * The triples of a schedule: 'you5' (LaCT language model), or 'kellerN' for N steps of one triple
 * (LaCT view synthesis and video use N = 5); a list of triples is returned as it is.
 *
 * @throws if the name is unknown.
 */
export function newtonSchulzTriples(schedule: NewtonSchulzSchedule): readonly NewtonSchulzTriple[] {
  if (typeof schedule !== 'string') return schedule;
  if (schedule === 'you5') return you5;
  const steps = /^keller([1-9]\d?)$/.exec(schedule);
  tf.util.assert(
    steps !== null,
    () =>
      `Expected 'you5' or 'keller' and a number of steps for newtonSchulz but got '${schedule}'`,
  );
  return Array.from({ length: Number(steps?.[1]) }, () => keller);
}

/**
 * Newton-Schulz iteration towards the orthogonal factor U V^T of each matrix (Muon; LaCT,
 * arXiv 2505.23884, section 3). Each step is x <- a x + (b A + c A A) x with A = x x^T, on the
 * orientation with rows <= columns, from x = x / (||x||_F + epsilon).
 *
 * @param x [matrices, rows, columns], float32
 * @returns [matrices, rows, columns]
 */
export function newtonSchulz(
  x: tf.Tensor3D,
  schedule: NewtonSchulzSchedule,
  { epsilon = 1e-7 }: { epsilon?: number } = {},
): tf.Tensor3D {
  const triples = newtonSchulzTriples(schedule);
  return tf.tidy(() => {
    const tall = x.shape[1] > x.shape[2];
    let y = tall ? tf.transpose(x, [0, 2, 1]) : x;
    y = tf.div(y, tf.add(norm(y, [1, 2]), epsilon));
    for (const [a, b, c] of triples) {
      const gram = matMul(y, y, false, true);
      const polynomial = tf.add(tf.mul(b, gram), tf.mul(c, matMul(gram, gram)));
      y = tf.add(tf.mul(a, y), matMul(polynomial, y)) as tf.Tensor3D;
    }
    return tall ? tf.transpose(y, [0, 2, 1]) : y;
  });
}
