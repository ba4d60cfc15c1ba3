import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { AdamW, namedVariables, Random, Trainer, warmupCosine } from 'fastweight';
import { Progress } from '../common/progress';
import type { Contender } from './contenders';
import { type Memory, recallLoss, recallModel, setStepSizeBias } from './recall_model';
import type { Settings, Stage } from './settings';
import { type RecallBatch, type RecallShape, recallBatch } from './task';

/** Accuracy on the queries whose pair was shown from `from` up to `to` - 1 tokens before. */
export interface DistanceAccuracy {
  from: number;
  to: number;
  /** Share of right answers. */
  accuracy: number;
  queries: number;
}

export interface Outcome {
  name: string;
  chunk: number;
  parameters: number;
  steps: number;
  /** Wall time of the training. */
  seconds: number;
  /** Mean loss of each step, in nats. */
  losses: number[];
  byDistance: DistanceAccuracy[];
}

/** Trains one model and measures what it recalls. */
export async function tryMemory(
  { name, memory, stepSizeBias }: Contender,
  chunk: number,
  stages: Stage[],
  settings: Settings,
): Promise<Outcome> {
  const whole: Memory = { windowSize: settings.window, lactChunkSize: chunk, ...memory };
  const model = recallModel(settings.task, settings.model, whole, settings.seed);
  if (stepSizeBias !== undefined) setStepSizeBias(model, stepSizeBias);
  try {
    const { losses, seconds } = await train(model, stages, firstQueryOf(chunk, settings), settings);
    return {
      name,
      chunk,
      parameters: model.countParams(),
      steps: losses.length,
      seconds,
      losses,
      byDistance: accuracyByDistance(model, firstQueryOf(chunk, settings), settings),
    };
  } finally {
    model.dispose();
  }
}

/**
 * A chunk within the window leaves no gap: what the attention no longer sees is in the fast weights.
 * Within a larger chunk nothing could answer, so queries begin after the first one.
 */
function firstQueryOf(chunk: number, { window, task }: Settings): number {
  return chunk > window ? chunk : task.pairs;
}

async function train(
  model: LayersModel,
  stages: Stage[],
  firstQuery: number,
  settings: Settings,
): Promise<{ losses: number[]; seconds: number }> {
  const { task, seed, peakRate, warmupSteps } = settings;
  const shapes = stages.flatMap(({ steps, batch, tokens }): RecallShape[] =>
    Array(steps).fill({ batch, tokens, firstQuery }),
  );
  const schedule = { peak: peakRate, final: peakRate / 10, warmupSteps, totalSteps: shapes.length };
  const trainer: Trainer<RecallBatch> = new Trainer({
    parameters: namedVariables(model),
    nextBatch: (random) => recallBatch(task, shapes[trainer.stepsDone], random),
    loss: (batch) => recallLoss(model, batch),
    optimizer: new AdamW({ beta2: 0.95 }),
    schedule: warmupCosine(schedule),
    random: new Random(seed),
    maxGradientNorm: 1,
  });
  const tokensPerStep = shapes[0].batch * shapes[0].tokens;
  const progress = new Progress(tokensPerStep, (nats) => `loss ${nats.toFixed(3)}`);
  const started = performance.now();
  try {
    while (trainer.stepsDone < shapes.length) {
      const before = performance.now();
      const { loss } = trainer.step();
      const seconds = (performance.now() - before) / 1000;
      progress.update(trainer.stepsDone, shapes.length, loss, seconds);
      // Signals and the bar get their turn between two steps.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    progress.stop();
  }
  return { losses: [...trainer.losses], seconds: (performance.now() - started) / 1000 };
}

/** Test sequences come from another seed than those of the training. */
const testSeed = 1_000_003;

/** Accuracies by doubling distances, on sequences one by one. */
function accuracyByDistance(
  model: LayersModel,
  firstQuery: number,
  { task, testSequences, testTokens: tokens, seed }: Settings,
): DistanceAccuracy[] {
  const random = new Random(testSeed + seed);
  const bins = Array.from({ length: Math.ceil(Math.log2(tokens)) }, (_, octave) => ({
    from: 2 ** octave,
    to: 2 ** (octave + 1),
    right: 0,
    queries: 0,
  }));
  for (let sequence = 0; sequence < testSequences; sequence++) {
    tf.tidy(() => {
      const shape = { batch: 1, tokens, firstQuery };
      const { keys, values, labels, distances } = recallBatch(task, shape, random);
      const told = tf.argMax(model.predict([keys, values]) as tf.Tensor, 2).dataSync();
      const wanted = labels.dataSync();
      distances.dataSync().forEach((distance, at) => {
        if (distance === 0) return;
        const bin = bins[Math.floor(Math.log2(distance))];
        bin.queries++;
        if (told[at] === wanted[at]) bin.right++;
      });
    });
  }
  return bins
    .filter(({ queries }) => queries > 0)
    .map(({ from, to, right, queries }) => ({ from, to, queries, accuracy: right / queries }));
}
