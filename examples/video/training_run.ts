import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import {
  type ContextVideoBatch,
  FastWeightError,
  flowMatchingBatch,
  Muon,
  namedVariables,
  Random,
  readCheckpoint,
  Trainer,
  velocityErrors,
  videoDiffusion,
  videoDiffusionLoss,
  warmupCosine,
  writeCheckpoint,
} from 'fastweight';
import { Progress } from '../common/progress';
import { drawClips, type MovingMnist, trainingBatch } from './moving_mnist';
import type { Settings } from './settings';

/** What was measured on held-out videos. */
export interface Measured {
  step: number;
  loss: number;
  /** Mean squared error of the velocity in each window of a video, at times drawn evenly. */
  windowErrors: number[];
}

/** What a checkpoint keeps besides the trainer's state. */
export interface RunRecord {
  settings: Settings;
  steps: number;
  /** Seconds of training steps so far. */
  seconds: number;
  heldOut: Measured[];
}

/** Matrices and tables that AdamW updates: embeddings, the head, per-feature scales. */
const notForMuon = ['embed', 'head/head', 'modulation', 'qk_scale', 'qk_offset'];

/** Seed of the held-out videos, whatever the run's own. */
const heldOutSeed = 2025;

/** A model in training on moving digits, with all that a checkpoint has to bring back. */
export class TrainingRun {
  readonly model: LayersModel;
  readonly trainer: Trainer<ContextVideoBatch>;

  private constructor(
    readonly record: RunRecord,
    readonly data: MovingMnist,
  ) {
    const { settings, steps } = record;
    this.model = videoDiffusion(settings.model, { seed: settings.seed });
    const { peakRate: peak, finalRate: final, warmupSteps, weightDecay, adamWRate } = settings;
    this.trainer = new Trainer<ContextVideoBatch>({
      parameters: namedVariables(this.model),
      loss: (batch) => videoDiffusionLoss(this.model, batch),
      nextBatch: (random) => trainingBatch(data.train, settings, random),
      optimizer: new Muon({ weightDecay, adamWRate, exclude: notForMuon }),
      schedule: warmupCosine({ peak, final, warmupSteps, totalSteps: steps }),
      random: new Random(settings.seed),
      maxGradientNorm: settings.maxGradientNorm,
    });
  }

  static start(settings: Settings, steps: number, data: MovingMnist): TrainingRun {
    return new TrainingRun({ settings, steps, seconds: 0, heldOut: [] }, data);
  }

  /** @throws FastWeightError ERR_CHECKPOINT */
  static async resume(
    file: string,
    load: (settings: Settings) => MovingMnist,
  ): Promise<TrainingRun> {
    const checkpoint = readCheckpoint(file);
    const { videoRun: text } = checkpoint.metadata;
    if (text === undefined) {
      const message = `Expected a checkpoint of this example but got ${file}`;
      throw new FastWeightError('ERR_CHECKPOINT', message);
    }
    const record = JSON.parse(text) as RunRecord;
    const run = new TrainingRun(record, load(record.settings));
    await run.trainer.restore(checkpoint);
    return run;
  }

  get finished(): boolean {
    return this.trainer.stepsDone >= this.record.steps;
  }

  /** Trains until the run is finished or `interrupted` says so after a step. */
  async train(interrupted: () => boolean): Promise<void> {
    const { settings, steps } = this.record;
    const progress = new Progress(this.tokensPerStep, (loss) => `loss ${loss.toFixed(4)}`);
    try {
      if (this.trainer.stepsDone === 0) this.evaluate();
      while (!this.finished && !interrupted()) {
        const started = performance.now();
        const { loss } = this.trainer.step();
        const seconds = (performance.now() - started) / 1000;
        this.record.seconds += seconds;
        const { stepsDone } = this.trainer;
        const parts = Math.floor((settings.evaluations * stepsDone) / steps);
        if (parts > this.record.heldOut.length - 1) this.evaluate();
        progress.update(stepsDone, steps, loss, seconds);
        // Signals and the bar get their turn between two steps.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      progress.stop();
    }
  }

  /** Tokens of all windows, noisy and clean, that a step goes through. */
  private get tokensPerStep(): number {
    const { model, batch, frames } = this.record.settings;
    const [, rows, columns] = model.patchSize ?? [1, 2, 2];
    const { windowFrames, numRepeat = 1 } = model;
    const windows = (numRepeat + 1) * (frames / windowFrames) - 1;
    return batch * windows * windowFrames * (model.height / rows) * (model.width / columns);
  }

  /** Measures held-out videos, always the same ones with the same noise, and keeps the figures. */
  private evaluate(): void {
    const { settings } = this.record;
    const { batch, frames, heldOutVideos, model, flow } = settings;
    const { windowFrames, numRepeat = 1 } = model;
    const random = new Random(heldOutSeed);
    const count = heldOutVideos / batch;
    const windows = frames / windowFrames;
    const errors = new Array<number>(windows).fill(0);
    let loss = 0;
    for (let at = 0; at < count; at++) {
      tf.tidy(() => {
        const clips = drawClips(this.data.heldOut, { batch, frames }, settings, random);
        const drawn = flowMatchingBatch(clips.video, { windowFrames, numRepeat }, random, flow);
        const { weights } = drawn;
        const measured = velocityErrors(this.model, { ...drawn, context: clips.context });
        loss += tf.sum(tf.mul(measured, weights)).dataSync()[0] / count;
        const means = tf.mean(measured, 0).dataSync();
        means.forEach((error, index) => {
          if (index % (numRepeat + 1) === numRepeat) return;
          errors[Math.floor(index / (numRepeat + 1))] += error / (count * numRepeat);
        });
      });
    }
    this.record.heldOut.push({ step: this.trainer.stepsDone, loss, windowErrors: errors });
  }

  async save(file: string): Promise<void> {
    const metadata = { videoRun: JSON.stringify(this.record) };
    writeCheckpoint(file, await this.trainer.checkpoint(metadata));
  }
}
