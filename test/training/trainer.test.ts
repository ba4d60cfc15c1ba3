import '../../src/index';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

import {
  randomBatch,
  sequentialBatches,
  type TokenBatch,
  textBytes,
} from '../../src/data/byte_dataset';
import { Random } from '../../src/data/random';
import { readSafetensors, type Safetensors, writeSafetensors } from '../../src/io/safetensors';
import { languageModel, languageModelLoss } from '../../src/models/language_model';
import { namedVariables } from '../../src/models/named_parameters';
import { AdamW } from '../../src/optimizers/adamw';
import { readCheckpoint, writeCheckpoint } from '../../src/training/checkpoint';
import { bitsPerByte, meanLoss } from '../../src/training/evaluate';
import { type DataCursor, Trainer, type TrainerOptions } from '../../src/training/trainer';

const text = textBytes(
  'It was the whiteness of the whale that above all things appalled me. '.repeat(9),
);
const shape = { batch: 2, tokens: 24 };

let folder: string;
const file = (name: string) => path.join(folder, name);

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-training-'));
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

/** A tiny model in training. */
function tiny(options: Partial<TrainerOptions<TokenBatch>> = {}, hiddenSize = 8) {
  const model = languageModel({
    vocabSize: 128,
    hiddenSize,
    numHiddenLayers: 1,
    numAttnHeads: 2,
    numLactHeads: 1,
    windowSize: 8,
    lactChunkSize: 8,
    intermediateSize: 16,
    useMuon: true,
    initializerRange: 0.05,
  });
  const parameters = namedVariables(model);
  const loss = ({ ids, labels }: TokenBatch) => languageModelLoss(model, ids, labels);
  const trainer = new Trainer({
    parameters,
    loss,
    nextBatch: (random) => randomBatch(text, shape, random),
    optimizer: new AdamW(),
    schedule: (step) => 0.01 / (step + 1),
    random: new Random(5),
    maxGradientNorm: 1,
    ...options,
  });
  const values = () =>
    Object.fromEntries([...parameters].map(([name, variable]) => [name, variable.dataSync()]));
  return { model, trainer, loss, values };
}

test('a step lowers the loss of its batch and reports what it did', () => {
  const { trainer, values } = tiny({
    nextBatch: () => randomBatch(text, shape, new Random(1)),
    schedule: () => 0.01,
  });
  const before = values();
  const reports = Array.from({ length: 8 }, () => trainer.step());
  expect(reports[7].loss).toBeLessThan(0.9 * reports[0].loss);
  expect(reports[3]).toMatchObject({ step: 3, learningRate: 0.01, skipped: false });
  expect(reports[3].gradientNorm).toBeGreaterThan(0);
  expect(trainer.losses).toEqual(reports.map(({ loss }) => loss));
  expect(values()).not.toEqual(before);
});

test('a resumed run equals an unbroken one bit for bit', async () => {
  const unbroken = tiny();
  for (let step = 0; step < 6; step++) unbroken.trainer.step();

  const first = tiny();
  for (let step = 0; step < 3; step++) first.trainer.step();
  writeCheckpoint(file('run'), await first.trainer.checkpoint({ note: 'half' }));
  const second = tiny({ random: new Random(77) });
  const checkpoint = readCheckpoint(file('run'));
  expect(checkpoint.metadata).toEqual({ note: 'half' });
  await second.trainer.restore(checkpoint);
  expect(second.trainer.stepsDone).toBe(3);
  expect(second.values()).toEqual(first.values());
  for (let step = 3; step < 6; step++) second.trainer.step();
  expect(second.values()).toEqual(unbroken.values());
  expect(second.trainer.losses).toEqual(unbroken.trainer.losses);
});

test('steps, checkpoints and evaluations leave no tensor behind', async () => {
  const { trainer, loss } = tiny();
  trainer.step();
  const before = tf.memory().numTensors;
  trainer.step();
  await trainer.restore(await trainer.checkpoint());
  meanLoss(loss, sequentialBatches(text, shape));
  expect(tf.memory().numTensors).toBe(before);
});

/** A loss that is not a number from the second step on. */
function failing(options: Partial<TrainerOptions<TokenBatch>> = {}) {
  let calls = 0;
  const run = tiny({
    loss: (batch) => tf.mul(run.loss(batch), calls++ === 1 ? Number.NaN : 1),
    ...options,
  });
  return run;
}

test('a step that is not finite is an error that changes nothing', () => {
  const { trainer, values } = failing();
  trainer.step();
  const before = values();
  expect(() => trainer.step()).toThrow(
    expect.objectContaining({
      code: 'ERR_NON_FINITE',
      message: expect.stringContaining('Expected finite numbers for step 1 but got loss NaN'),
    }),
  );
  expect(values()).toEqual(before);
  expect(trainer.stepsDone).toBe(1);
});

test('where asked for, a step that is not finite is skipped', () => {
  const { trainer, values } = failing({ nonFinite: 'skip' });
  trainer.step();
  const before = values();
  expect(trainer.step().skipped).toBe(true);
  expect(values()).toEqual(before);
  expect(trainer.step()).toMatchObject({ step: 2, skipped: false });
  expect(trainer.losses[1]).toBeNaN();
  expect(trainer.stepsSkipped).toBe(1);
});

/** Fits y = slope x + offset to y = 3 x; examples come in turn, and the cursor is whose turn it is. */
function regression(options: { batchesPerStep?: number; withCursor?: boolean } = {}) {
  const { batchesPerStep, withCursor = true } = options;
  const xs = [1, -2, 0.5, 3, -1, 2];
  let turn = 0;
  const cursor: DataCursor = {
    save: () => `${turn}`,
    restore: (place) => {
      if (!/^\d+$/.test(place)) throw new RangeError(`${place} is no place`);
      turn = Number(place);
    },
  };
  const parameters = new Map(
    ['slope', 'offset'].map((name) => [name, tf.variable(tf.scalar(0.5) as tf.Tensor)]),
  );
  const [slope, offset] = parameters.values();
  const trainer = new Trainer({
    parameters,
    nextBatch: () => {
      const x = xs[turn++ % xs.length];
      return { x: tf.scalar(x), y: tf.scalar(3 * x) };
    },
    loss: ({ x, y }) => tf.square(tf.sub(tf.add(tf.mul(slope, x), offset), y)) as tf.Scalar,
    optimizer: new AdamW({ weightDecay: 0 }),
    schedule: () => 0.1,
    random: new Random(1),
    batchesPerStep,
    cursor: withCursor ? cursor : undefined,
  });
  const values = () => [slope, offset].map((variable) => variable.dataSync()[0]);
  return { trainer, values };
}

test('trains on batches of any tensors', () => {
  const { trainer, values } = regression();
  const losses = Array.from({ length: 200 }, () => trainer.step().loss);
  expect(losses[0]).toBeCloseTo((3 - 1) ** 2);
  expect(values()[0]).toBeCloseTo(3, 1);
  expect(values()[1]).toBeCloseTo(0, 1);
});

test('averages the gradients of several batches a step and leaves no tensor behind', () => {
  const { trainer, values } = regression({ batchesPerStep: 3 });
  // At slope and offset 0.5 the residuals of x = 1, -2, 0.5 are 0.5 - 2.5 x.
  const residuals = [1, -2, 0.5].map((x) => ({ x, residual: 0.5 - 2.5 * x }));
  const mean = (of: (example: { x: number; residual: number }) => number) =>
    residuals.reduce((sum, example) => sum + of(example), 0) / 3;
  const gradient = [mean(({ x, residual }) => 2 * x * residual), mean((e) => 2 * e.residual)];
  const { loss, gradientNorm } = trainer.step();
  expect(loss).toBeCloseTo(
    mean(({ residual }) => residual ** 2),
    5,
  );
  expect(gradientNorm).toBeCloseTo(Math.hypot(...gradient), 5);
  // AdamW's first step is the learning rate against the sign of the gradient.
  expect(values()[0]).toBeCloseTo(0.6, 4);
  const before = tf.memory().numTensors;
  trainer.step();
  expect(tf.memory().numTensors).toBe(before);
});

test('the place in the data rides along in a checkpoint', async () => {
  const unbroken = regression({ batchesPerStep: 4 });
  for (let step = 0; step < 5; step++) unbroken.trainer.step();
  const first = regression({ batchesPerStep: 4 });
  for (let step = 0; step < 2; step++) first.trainer.step();
  writeCheckpoint(file('cursor'), await first.trainer.checkpoint());
  const checkpoint = readCheckpoint(file('cursor'));
  expect(checkpoint.cursor).toBe('8');
  const second = regression({ batchesPerStep: 4 });
  await second.trainer.restore(checkpoint);
  for (let step = 2; step < 5; step++) second.trainer.step();
  expect(second.values()).toEqual(unbroken.values());
  expect(second.trainer.losses).toEqual(unbroken.trainer.losses);
});

test.each([
  ['where the run has none', { withCursor: false }, '8', /no cursor .* but got one/],
  ['that is missing', {}, undefined, /a cursor for the place in the data but got none/],
  ['that is no place', {}, 'nowhere', /nowhere is no place/],
])('a cursor %s is refused and nothing changes', async (_, options, cursor, message) => {
  const checkpoint = await regression().trainer.checkpoint();
  const { trainer, values } = regression(options);
  trainer.step();
  const before = values();
  await expect(trainer.restore({ ...checkpoint, cursor })).rejects.toThrow(message);
  expect([trainer.stepsDone, values()]).toEqual([1, before]);
});

test('a step of no batches is refused', () => {
  expect(() => regression({ batchesPerStep: 0 })).toThrow(
    'Expected an integer of at least 1 for batchesPerStep but got 0',
  );
});

describe('a checkpoint that does not fit is an ERR_CHECKPOINT and changes nothing', () => {
  const weight = 'layers.0.mlp.up_proj.weight';
  const edit = (change: (contents: Safetensors) => void) => (whole: string, spoilt: string) => {
    const contents = readSafetensors(whole);
    change(contents);
    writeSafetensors(spoilt, contents);
  };
  const vector = (length: number) => ({
    dtype: 'float32' as const,
    shape: [length],
    data: new Float32Array(length),
  });
  const spoilers: [string, RegExp, (whole: string, spoilt: string) => void][] = [
    [
      'truncated',
      /truncated/,
      (whole, spoilt) => fs.writeFileSync(spoilt, fs.readFileSync(whole).subarray(0, -9)),
    ],
    ['no checkpoint', /for the format of/, edit(({ metadata }) => delete metadata.format)],
    ['without steps', /number of steps/, edit(({ metadata }) => delete metadata.step)],
    [
      'with steps that are not its losses',
      /float32 \[7\] for 'losses' but got float32 \[2\]/,
      edit(({ metadata }) => Object.assign(metadata, { step: '7' })),
    ],
    [
      'without a parameter',
      /for parameter 'layers.0.mlp.up_proj.weight' but got none/,
      edit(({ tensors }) => tensors.delete(`parameter.${weight}`)),
    ],
    [
      'with a parameter of another model',
      /for parameters but got 'layers.1.w'/,
      edit(({ tensors }) => tensors.set('parameter.layers.1.w', vector(3))),
    ],
    [
      'with a parameter of another shape',
      /float32 \[16, 8\] for parameter .* but got float32 \[3\]/,
      edit(({ tensors }) => tensors.set(`parameter.${weight}`, vector(3))),
    ],
    [
      'with a parameter of another dtype',
      /float32 \[8\] for parameter 'norm.weight' but got int32 \[8\]/,
      edit(({ tensors }) =>
        tensors.set('parameter.norm.weight', {
          dtype: 'int32',
          shape: [8],
          data: new Int32Array(8),
        }),
      ),
    ],
    [
      'without a moment',
      /for optimizer weight 'layers.0.mlp.up_proj.weight\/second' but got none/,
      edit(({ tensors }) => tensors.delete(`optimizer.${weight}/second`)),
    ],
    [
      'without the optimizer',
      /for optimizer weight 'iter' but got none/,
      edit(({ tensors }) => {
        for (const name of [...tensors.keys()]) {
          if (name.startsWith('optimizer.')) tensors.delete(name);
        }
      }),
    ],
    [
      'with a moment of another shape',
      /for optimizer weight .* but got float32 \[2\]/,
      edit(({ tensors }) => tensors.set(`optimizer.${weight}/first`, vector(2))),
    ],
    [
      'with a random state of zeros',
      /random state but got \[0, 0, 0, 0\]/,
      edit(({ tensors }) =>
        tensors.set('random', { dtype: 'int32', shape: [4], data: new Int32Array(4) }),
      ),
    ],
    [
      'with a tensor of no use',
      /no further tensor .* but got 'more'/,
      edit(({ tensors }) => tensors.set('more', vector(1))),
    ],
  ];

  test.each(spoilers)('%s', async (_name, message, spoil) => {
    const { trainer, values } = tiny();
    trainer.step();
    trainer.step();
    writeCheckpoint(file('whole'), await trainer.checkpoint());
    spoil(file('whole'), file('spoilt'));
    const other = tiny();
    other.trainer.step();
    const before = other.values();
    const resume = async () => other.trainer.restore(readCheckpoint(file('spoilt')));
    const error = await resume().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'ERR_CHECKPOINT',
      message: expect.stringMatching(message),
    });
    expect(other.values()).toEqual(before);
    expect(other.trainer.stepsDone).toBe(1);
    // The optimizer is as it was too: the next step is the one it would have been.
    const untouched = tiny();
    untouched.trainer.step();
    untouched.trainer.step();
    other.trainer.step();
    expect(other.values()).toEqual(untouched.values());
    expect(values()).toEqual(untouched.values());
  });
});

test('the mean loss weighs batches by the labels that count', () => {
  const { loss } = tiny();
  const one = meanLoss(loss, sequentialBatches(text.subarray(0, 60), { batch: 3, tokens: 20 }));
  const many = meanLoss(loss, sequentialBatches(text.subarray(0, 60), { batch: 1, tokens: 20 }));
  expect(many).toBeCloseTo(one, 5);
  expect(bitsPerByte(Math.LN2)).toBe(1);
  expect(() => meanLoss(loss, [])).toThrow(
    'Expected at least one label for the batches but got none',
  );
});

test('a trainer of nothing is refused', () => {
  expect(() => tiny({ parameters: new Map() })).toThrow(
    'Expected at least one for parameters but got none',
  );
});
