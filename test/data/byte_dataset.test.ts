import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

import {
  randomBatch,
  sequentialBatches,
  type TokenBatch,
  textBytes,
} from '../../src/data/byte_dataset';
import { Random } from '../../src/data/random';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const counting = Uint8Array.from({ length: 200 }, (_, at) => at);

function arrays({ ids, labels }: TokenBatch) {
  const read = [ids, labels].map((tensor) => tensor.arraySync());
  tf.dispose([ids, labels]);
  return read;
}

test('text becomes its bytes in UTF-8', () => {
  expect([...textBytes('a\n—')]).toEqual([97, 10, 0xe2, 0x80, 0x94]);
});

test('random windows hold the text from one place, and each label is the next byte', () => {
  const [ids, labels] = arrays(randomBatch(counting, { batch: 5, tokens: 8 }, new Random(4)));
  expect(ids).toHaveLength(5);
  ids.forEach((row, at) => {
    expect(row).toEqual(Array.from({ length: 8 }, (_, t) => row[0] + t));
    expect(labels[at]).toEqual(row.map((id) => id + 1));
  });
  expect(new Set(ids.map(([first]) => first)).size).toBeGreaterThan(1);
});

test('every place that has room is drawn', () => {
  const random = new Random(5);
  const text = counting.subarray(0, 7);
  const firsts = new Set<number>();
  for (let draw = 0; draw < 100; draw++) {
    firsts.add(arrays(randomBatch(text, { batch: 1, tokens: 4 }, random))[0][0][0]);
  }
  expect([...firsts].sort()).toEqual([0, 1, 2]);
});

test('sequential windows predict every byte but the first once', () => {
  const text = counting.subarray(0, 12);
  const batches = [...sequentialBatches(text, { batch: 2, tokens: 4 })].map(arrays);
  expect(batches).toEqual([
    [
      [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
      ],
      [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
    ],
    [[[8, 9, 10, 11]], [[9, 10, 11, -1]]],
  ]);
  const short = [...sequentialBatches(text, { batch: 4, tokens: 9 })].map(arrays);
  expect(short[0][1]).toEqual([
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
    [10, 11, -1, -1, -1, -1, -1, -1, -1],
  ]);
});

test('a text too short and an empty shape are refused', () => {
  const shape = { batch: 1, tokens: 200 };
  expect(() => randomBatch(counting, shape, new Random(1))).toThrow(
    'Expected at least 201 bytes for the text but got 200',
  );
  expect(() => [...sequentialBatches(counting.subarray(0, 1), shape)]).toThrow(
    expect.objectContaining({ code: 'ERR_RANGE' }),
  );
  for (const bad of [0, 1.5, -1]) {
    expect(() => randomBatch(counting, { ...shape, batch: bad }, new Random(1))).toThrow(
      `Expected an integer of at least 1 for batch but got ${bad}`,
    );
  }
});
