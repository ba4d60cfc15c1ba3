import '../../src/index';
import * as tf from '@tensorflow/tfjs-core';
import { contenders } from '../../examples/recall/contenders';
import { accuracyFrom } from '../../examples/recall/report';
import { recallBatch } from '../../examples/recall/task';
import { Random } from '../../src/data/random';
import { Example } from '../support/examples';

const task = { keys: 6, values: 5, fillers: 3, pairs: 4, queryShare: 0.5 };

test('a sequence shows pairs, then asks for the values of their keys', async () => {
  await tf.setBackend('fastweight-cpu');
  const shape = { batch: 3, tokens: 20, firstQuery: 8 };
  const batch = recallBatch(task, shape, new Random(1));
  const [keys, values, labels, distances] = [
    batch.keys,
    batch.values,
    batch.labels,
    batch.distances,
  ].map((tensor) => tensor.arraySync());
  for (let row = 0; row < shape.batch; row++) {
    const shown = keys[row].slice(0, task.pairs);
    expect(new Set(shown).size).toBe(task.pairs);
    expect(values[row].slice(task.pairs)).toEqual(Array(16).fill(task.values));
    const asked = labels[row].flatMap((label, at) => (label >= 0 ? [at] : []));
    expect(asked).toHaveLength(6);
    for (const at of asked) {
      const pair = shown.indexOf(keys[row][at]);
      expect(labels[row][at]).toBe(values[row][pair]);
      expect(distances[row][at]).toBe(at - pair);
      expect(at).toBeGreaterThanOrEqual(shape.firstQuery);
    }
    const others = keys[row].slice(task.pairs).filter((_, at) => !asked.includes(at + task.pairs));
    expect(others.every((key) => key >= task.keys)).toBe(true);
  }
  tf.dispose(Object.values(batch));
});

test('accuracies are weighed by their queries', () => {
  const bin = (from: number, accuracy: number, queries: number) => ({
    from,
    to: 2 * from,
    accuracy,
    queries,
  });
  expect(accuracyFrom(8, [bin(4, 0, 9), bin(8, 1, 1), bin(16, 0.5, 3)])).toBe(0.625);
});

describe('the program', () => {
  const example = new Example('recall');
  afterAll(() => example.dispose());

  test('leaves a table, charts and figures of every memory and chunk size', async () => {
    const { code, out, errors } = await example.run(['--quick', '--out', 'quick']);
    expect([errors, code]).toEqual(['', 0]);
    const table = example.text('quick', 'recall.md');
    const { memories, chunks } = JSON.parse(example.text('quick', 'results.json'));
    const names = Object.values(contenders).map(({ name }) => name);
    expect(memories.map(({ name }: { name: string }) => name)).toEqual(names);
    for (const name of names) expect(table).toMatch(new RegExp(`^\\| ${name} \\| \\d`, 'm'));
    expect(chunks.map(({ chunk }: { chunk: number }) => chunk)).toEqual([8, 16]);
    for (const { byDistance, losses } of [...memories, ...chunks]) {
      expect(losses.length).toBeGreaterThan(2);
      for (const { accuracy, queries } of byDistance) {
        expect(accuracy).toBeGreaterThanOrEqual(0);
        expect(accuracy).toBeLessThanOrEqual(1);
        expect(queries).toBeGreaterThan(0);
      }
    }
    // A chunk larger than the window of 8 leaves out what could not be answered.
    expect(chunks[1].byDistance[0].from).toBe(8);
    for (const chart of ['memories.svg', 'chunks.svg']) {
      expect(example.text('quick', chart)).toMatch(/^<svg.*values recalled.*<\/svg>$/s);
    }
    expect(out).toContain(table);
  });

  test.each([
    [['--quick', '--long'], 2, /Expected --long or --quick but got both/],
    [['quickly'], 2, /Expected options but got 'quickly'/],
    [['--backend', 'abacus'], 2, /Expected one of .*fastweight-cpu.* for --backend/],
  ])('%j is refused', async (args, wanted, message) => {
    const { code, errors } = await example.run(args);
    expect([code, errors]).toEqual([wanted, expect.stringMatching(message)]);
  });
});
