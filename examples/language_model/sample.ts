import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Random } from 'fastweight';

export interface Sampling {
  /** Bytes to write. */
  length: number;
  /** Logits are divided by this; below 1 the likely bytes grow likelier. */
  temperature: number;
  /** Only so many of the likeliest bytes are drawn from. */
  topK: number;
  /** Bytes before the next one that the model sees. */
  window: number;
}

/** Draws one index: softmax of the `topK` largest logits divided by the temperature. */
export function drawToken(
  logits: ArrayLike<number>,
  { temperature, topK }: Pick<Sampling, 'temperature' | 'topK'>,
  random: Random,
): number {
  const order = Array.from(logits, (_, index) => index)
    .sort((a, b) => logits[b] - logits[a])
    .slice(0, topK);
  const weights = order.map((index) => Math.exp((logits[index] - logits[order[0]]) / temperature));
  let left = random.uniform() * weights.reduce((sum, weight) => sum + weight);
  const found = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return order[found < 0 ? order.length - 1 : found];
}

/** Bytes that the model writes after the prompt. */
export function sampleBytes(
  model: LayersModel,
  prompt: Uint8Array,
  sampling: Sampling,
  random: Random,
): Uint8Array {
  const bytes = [...prompt];
  while (bytes.length < prompt.length + sampling.length) {
    const seen = bytes.slice(-sampling.window);
    const logits = tf.tidy(() => {
      const ids = tf.tensor2d(seen, [1, seen.length], 'int32');
      const all = model.predict(ids) as tf.Tensor3D;
      return tf.slice(all, [0, seen.length - 1, 0], [1, 1, -1]).dataSync();
    });
    bytes.push(drawToken(logits, sampling, random));
  }
  return Uint8Array.from(bytes.slice(prompt.length));
}
