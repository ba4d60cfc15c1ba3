import * as tf from '@tensorflow/tfjs-core';

import { expected } from '../native/errors';
import type { Random } from './random';

/** What a byte-level language model sees at a time. */
export interface TokenBatch {
  /** [batch, tokens] int32. */
  ids: tf.Tensor2D;
  /** [batch, tokens] int32: the token after each id; -1 where there is none to predict. */
  labels: tf.Tensor2D;
}

export interface BatchShape {
  batch: number;
  tokens: number;
}

/** The label of a position that does not count. */
const noLabel = -1;

/** The bytes of a text in UTF-8. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function checkShape(bytes: Uint8Array, shape: BatchShape, leastBytes: number): void {
  for (const name of ['batch', 'tokens'] as const) {
    if (!Number.isSafeInteger(shape[name]) || shape[name] < 1) {
      throw expected('ERR_RANGE', 'an integer of at least 1', name, `${shape[name]}`);
    }
  }
  if (bytes.length < leastBytes) {
    throw expected('ERR_RANGE', `at least ${leastBytes} bytes`, 'the text', `${bytes.length}`);
  }
}

/** The windows of `tokens` bytes that begin at `starts`, and the byte after each. */
function windows(bytes: Uint8Array, starts: number[], tokens: number): TokenBatch {
  const ids = new Int32Array(starts.length * tokens);
  const labels = new Int32Array(starts.length * tokens).fill(noLabel);
  starts.forEach((start, row) => {
    ids.set(bytes.subarray(start, start + tokens), row * tokens);
    labels.set(bytes.subarray(start + 1, start + tokens + 1), row * tokens);
  });
  const shape: [number, number] = [starts.length, tokens];
  return { ids: tf.tensor2d(ids, shape, 'int32'), labels: tf.tensor2d(labels, shape, 'int32') };
}

/**
 * Windows of the text that begin anywhere, each place equally likely; the caller disposes them.
 *
 * @param bytes at least tokens + 1, so that every position has a label
 * @throws FastWeightError ERR_RANGE
 */
export function randomBatch(bytes: Uint8Array, shape: BatchShape, random: Random): TokenBatch {
  checkShape(bytes, shape, shape.tokens + 1);
  const places = bytes.length - shape.tokens;
  const starts = Array.from({ length: shape.batch }, () => random.integer(places));
  return windows(bytes, starts, shape.tokens);
}

/**
 * The whole text in windows that follow one another, so that each byte but the first is predicted
 * once. What the last window lacks is filled with ids 0 that do not count; the last batch may have
 * fewer windows. The caller disposes each batch.
 *
 * @throws FastWeightError ERR_RANGE for a text shorter than 2 bytes or an empty shape.
 */
export function* sequentialBatches(bytes: Uint8Array, shape: BatchShape): Generator<TokenBatch> {
  checkShape(bytes, shape, 2);
  const { batch, tokens } = shape;
  const count = Math.ceil((bytes.length - 1) / tokens);
  for (let first = 0; first < count; first += batch) {
    const size = Math.min(batch, count - first);
    const starts = Array.from({ length: size }, (_, row) => (first + row) * tokens);
    yield windows(bytes, starts, tokens);
  }
}
