import * as tf from '@tensorflow/tfjs-core';

import type { TokenBatch } from '../data/byte_dataset';
import { expected } from '../native/errors';
import type { LossFunction } from './loss_gradients';

/**
 * Mean loss over all labels of all batches that count, each batch weighted by how many it has. The
 * batches are disposed.
 *
 * @returns nats a token, for a loss in nats
 * @throws FastWeightError ERR_RANGE when no label counts.
 */
export function meanLoss(loss: LossFunction<TokenBatch>, batches: Iterable<TokenBatch>): number {
  let sum = 0;
  let count = 0;
  for (const batch of batches) {
    const { ids, labels } = batch;
    tf.tidy(() => {
      const counted = tf.sum(tf.cast(tf.greaterEqual(labels, 0), 'int32')).dataSync()[0];
      if (counted > 0) sum += counted * loss(batch).dataSync()[0];
      count += counted;
    });
    tf.dispose([ids, labels]);
  }
  if (count === 0) throw expected('ERR_RANGE', 'at least one label', 'the batches', 'none');
  return sum / count;
}

/** A loss in nats a byte as bits a byte. */
export function bitsPerByte(nats: number): number {
  return nats / Math.LN2;
}
