import * as tf from '@tensorflow/tfjs-core';
import { bitsPerByte, type LanguageModel, sequentialBatches } from 'fastweight';

/** Loss at positions `from` up to `to` - 1 of a text. */
export interface PositionLoss {
  from: number;
  to: number;
  bitsPerByte: number;
}

/** The first bin holds so many positions, each further one twice as many. */
const firstBin = 16;

/**
 * The loss by position, in bins that double, over the text cut into windows of `tokens` bytes; a last
 * window that is not full is left out.
 */
export function lossByPosition(
  model: LanguageModel,
  text: Uint8Array,
  tokens: number,
): PositionLoss[] {
  const sums = new Float64Array(tokens);
  let windows = 0;
  const whole = text.subarray(0, text.length - ((text.length - 1) % tokens));
  for (const { ids, labels } of sequentialBatches(whole, { batch: 1, tokens })) {
    const losses = tf.tidy(() => {
      const logits = model.predict(ids) as tf.Tensor3D;
      const wanted = tf.oneHot(labels, logits.shape[2]);
      return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), wanted), 2)).dataSync();
    });
    losses.forEach((loss, at) => {
      sums[at] += loss;
    });
    tf.dispose([ids, labels]);
    windows++;
  }
  return doublingBins(tokens).map(([from, to]) => {
    const sum = sums.subarray(from, to).reduce((total, loss) => total + loss, 0);
    return { from, to, bitsPerByte: bitsPerByte(sum / (windows * (to - from))) };
  });
}

function doublingBins(tokens: number): [from: number, to: number][] {
  const bins: [number, number][] = [];
  for (let from = 0, to = firstBin; from < tokens; from = to, to *= 2) {
    bins.push([from, Math.min(to, tokens)]);
  }
  return bins;
}
