import * as tf from '@tensorflow/tfjs-core';
import type { TokenBatch } from '../../src/data/byte_dataset';
import { Random } from '../../src/data/random';
import { AdamW } from '../../src/optimizers/adamw';
import { Muon } from '../../src/optimizers/muon';
import { type ScheduledOptimizer, Trainer } from '../../src/training/trainer';
import { normals, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

function makeTrainer(optimizer: ScheduledOptimizer): Trainer<TokenBatch> {
  const parameter = (shape: number[], seed: number) =>
    tf.variable(tf.tensor(normals(tf.util.sizeFromShape(shape), seed), shape));
  const parameters = new Map([
    ['table', parameter([6, 4], 1)],
    ['weight', parameter([6, 4], 2)],
    ['bias', parameter([6], 3)],
  ]);
  const [table, weight, bias] = [...parameters.values()];
  return new Trainer({
    parameters,
    optimizer,
    schedule: (step) => 0.1 / (step + 1),
    random: new Random(5),
    maxGradientNorm: 0.5,
    nextBatch: (random) => ({
      ids: tf.tensor2d([random.integer(6), random.integer(6)], [1, 2], 'int32'),
      labels: tf.tensor2d([1, 2], [1, 2], 'int32'),
    }),
    loss: ({ ids, labels }) => {
      const rows = tf.gather(table as tf.Tensor2D, tf.reshape(ids, [2]) as tf.Tensor1D);
      const logits = tf.add(tf.matMul(rows, weight as tf.Tensor2D, false, true), bias);
      const likelihoods = tf.mul(tf.logSoftmax(logits), tf.oneHot(tf.reshape(labels, [2]), 6));
      return tf.neg(tf.mean(likelihoods)) as tf.Scalar;
    },
  });
}

test.each([
  ['AdamW', () => new AdamW()],
  ['Muon', () => new Muon()],
])('a run with %s goes on from its checkpoint bit for bit', async (_, make) => {
  const trainer = makeTrainer(make());
  trainer.step();
  trainer.step();
  const checkpoint = await trainer.checkpoint();
  const wanted = [trainer.step(), trainer.step()];
  const other = makeTrainer(make());
  await other.restore(checkpoint);
  expect([other.step(), other.step()]).toEqual(wanted);
});

test('a checkpoint of another optimizer is refused', async () => {
  const trainer = makeTrainer(new AdamW());
  trainer.step();
  const checkpoint = await trainer.checkpoint();
  await expect(makeTrainer(new Muon()).restore(checkpoint)).rejects.toMatchObject({
    code: 'ERR_CHECKPOINT',
  });
});
