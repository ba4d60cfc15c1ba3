import * as tf from '@tensorflow/tfjs-core';
import type { Random } from 'fastweight';

/**
 * Associative recall. A token carries a key and a value, and the value may be blank. A sequence shows
 * pairs of a key and a value; then fillers pass by, among them the keys without their values, and at
 * each of those the value is to be told:
 *
 *     key    k3 k1 ... f5 f2 k1 f7 f2 k3 f1 ...
 *     value  v7 v2 ...  -  -  -  -  -  -  - ...
 *     label   -  - ...  -  - v2  -  - v7  - ...
 *
 * So it takes a memory of what was shown, and nothing else: with key and value in one token there is no
 * need to first find out which token goes with which (Arora et al., "Zoology", 2023, where they stand
 * in two).
 */
export interface RecallTask {
  /** Distinct keys that can be shown, values, and fillers; each shown key differs from the others. */
  keys: number;
  values: number;
  fillers: number;
  /** Pairs that a sequence shows. */
  pairs: number;
  /** Share of the tokens from `firstQuery` on that ask for a value. */
  queryShare: number;
}

/** What a batch of sequences is cut to. */
export interface RecallShape {
  batch: number;
  tokens: number;
  /** Where the first query may stand; at least the number of pairs. */
  firstQuery: number;
}

/** All [batch, tokens] int32. */
export interface RecallBatch {
  keys: tf.Tensor2D;
  values: tf.Tensor2D;
  /** The value to be told; -1 where none is asked for. */
  labels: tf.Tensor2D;
  /** Tokens since the pair was shown; 0 where none is asked for. */
  distances: tf.Tensor2D;
}

/** Keys and fillers share one vocabulary: keys come first. */
export function keyVocabulary({ keys, fillers }: RecallTask): number {
  return keys + fillers;
}

/** The blank comes after the values. */
export function valueVocabulary({ values }: RecallTask): number {
  return values + 1;
}

const noLabel = -1;

/** New sequences; the caller disposes them. */
export function recallBatch(task: RecallTask, shape: RecallShape, random: Random): RecallBatch {
  const { batch, tokens } = shape;
  const filled = (value: number) => new Int32Array(batch * tokens).fill(value);
  const keys = filled(0);
  const values = filled(task.values);
  const labels = filled(noLabel);
  const distances = filled(0);
  for (let start = 0; start < batch * tokens; start += tokens) {
    const row = (all: Int32Array) => all.subarray(start, start + tokens);
    writeSequence(task, shape, random, {
      keys: row(keys),
      values: row(values),
      labels: row(labels),
      distances: row(distances),
    });
  }
  const tensor = (all: Int32Array) => tf.tensor2d(all, [batch, tokens], 'int32');
  return {
    keys: tensor(keys),
    values: tensor(values),
    labels: tensor(labels),
    distances: tensor(distances),
  };
}

function writeSequence(
  task: RecallTask,
  { tokens, firstQuery }: RecallShape,
  random: Random,
  row: Record<keyof RecallBatch, Int32Array>,
): void {
  for (let at = 0; at < tokens; at++) row.keys[at] = task.keys + random.integer(task.fillers);
  const shown = distinct(task.pairs, task.keys, random).map((key) => ({
    key,
    value: random.integer(task.values),
  }));
  shown.forEach(({ key, value }, at) => {
    row.keys[at] = key;
    row.values[at] = value;
  });
  const places = tokens - firstQuery;
  for (const place of distinct(Math.round(task.queryShare * places), places, random)) {
    const at = firstQuery + place;
    const pair = random.integer(task.pairs);
    row.keys[at] = shown[pair].key;
    row.labels[at] = shown[pair].value;
    row.distances[at] = at - pair;
  }
}

/** `count` different integers in [0, end), in random order. */
function distinct(count: number, end: number, random: Random): number[] {
  const all = Array.from({ length: end }, (_, value) => value);
  for (let at = 0; at < count; at++) {
    const other = at + random.integer(end - at);
    [all[at], all[other]] = [all[other], all[at]];
  }
  return all.slice(0, count);
}
