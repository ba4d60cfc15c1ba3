import * as tf from '@tensorflow/tfjs-core';
import { lossByPosition } from '../../examples/position_loss/position_loss';
import {
  bitsPerByte,
  languageModel,
  languageModelLoss,
  meanLoss,
  sequentialBatches,
  textBytes,
} from '../../src/index';
import { Example } from '../support/examples';
import { useNativeBackend } from '../support/operations';

test('the bins of a text hold its whole loss', async () => {
  await useNativeBackend();
  const model = languageModel({
    vocabSize: 256,
    hiddenSize: 8,
    numHiddenLayers: 1,
    numAttnHeads: 2,
    numLactHeads: 1,
    windowSize: 8,
    lactChunkSize: 8,
    intermediateSize: 8,
    initializerRange: 0.3,
  });
  // Two whole windows of 40 bytes, and the byte after them; the rest is left out.
  const text = textBytes('From hell I stab at thee. '.repeat(4)).subarray(0, 100);
  const before = tf.memory().numTensors;
  const bins = lossByPosition(model, text, 40);
  expect(tf.memory().numTensors).toBe(before);
  expect(bins.map(({ from, to }) => [from, to])).toEqual([
    [0, 16],
    [16, 32],
    [32, 40],
  ]);
  const sum = bins.reduce(
    (total, { from, to, bitsPerByte }) => total + (to - from) * bitsPerByte,
    0,
  );
  const batches = sequentialBatches(text.subarray(0, 81), { batch: 2, tokens: 40 });
  const mean = meanLoss(({ ids, labels }) => languageModelLoss(model, ids, labels), batches);
  expect(sum / 40).toBeCloseTo(bitsPerByte(mean), 4);
  model.dispose();
});

describe('the program', () => {
  const demo = new Example('language_model');
  const example = new Example('position_loss');
  afterAll(() => {
    demo.dispose();
    example.dispose();
  });

  test('compares runs of the demo with fast weights and without', async () => {
    for (const args of [
      ['--out', 'whole'],
      ['--attention', '--out', 'attention'],
    ]) {
      const { code, errors } = await demo.run(['--quick', '--steps', '5', ...args]);
      expect([errors, code]).toEqual(['', 0]);
    }
    const folders = [demo.file('whole'), demo.file('attention')];
    const { code, out, errors } = await example.run([...folders, '--tokens', '300']);
    expect([errors, code]).toEqual(['', 0]);
    expect(out).toMatch(
      /^\| position \| fast weights \(.*whole\) \| attention alone \(.*attention\) \|/,
    );
    expect(out).toMatch(/^\| 256-299 \| \d\.\d{3} \| \d\.\d{3} \|$/m);
    const measured = JSON.parse(example.text('runs', 'positions', 'results.json'));
    expect(measured.map(({ memory }: { memory: string }) => memory)).toEqual([
      'fast weights',
      'attention alone',
    ]);
    expect(example.text('runs', 'positions', 'positions.svg')).toMatch(/^<svg.*bits per byte/s);
  });

  test.each([
    [
      ['nowhere'],
      /Expected a run of the demo in nowhere but got no nowhere.checkpoint.safetensors/,
    ],
    [['--tokens', '9999999'], /Expected at most \d+ bytes for --tokens but got 9999999/],
  ])('%j is refused', async (args, message) => {
    const { code, errors } = await example.run(args);
    expect([code, errors]).toEqual([2, expect.stringMatching(message)]);
  });
});
