import * as tf from '@tensorflow/tfjs-core';
import {
  FastWeightError,
  type LanguageModel,
  languageModel,
  readCheckpoint,
  type TrainingCheckpoint,
  writeParameters,
} from 'fastweight';
import type { Settings } from './settings';

/** What a checkpoint of the demo keeps besides the trainer's state. */
export interface RunRecord {
  settings: Settings;
  /** Seconds that the run may take; null where it has a number of steps. */
  allowedSeconds: number | null;
  /** Steps of the whole run; null until the first ones have shown the pace. */
  totalSteps: number | null;
  /** Seconds of training steps so far. */
  seconds: number;
  /** Seconds that measuring the held-out chapters has taken so far. */
  evaluationSeconds: number;
  /** Nats a byte on the held-out chapters, after these steps. */
  heldOut: { step: number; loss: number }[];
}

/** @throws FastWeightError ERR_CHECKPOINT for a file that is no checkpoint of the demo */
export function readRun(file: string): { checkpoint: TrainingCheckpoint; record: RunRecord } {
  const checkpoint = readCheckpoint(file);
  const { run: text } = checkpoint.metadata;
  if (text === undefined) {
    throw new FastWeightError(
      'ERR_CHECKPOINT',
      `Expected a checkpoint of this demo but got ${file}`,
    );
  }
  return { checkpoint, record: JSON.parse(text) as RunRecord };
}

/** A model as a checkpoint of the demo left it, and the settings it was trained with. */
export interface TrainedModel {
  model: LanguageModel;
  settings: Settings;
}

/** @throws FastWeightError ERR_CHECKPOINT for a file that is no checkpoint of the demo */
export function loadTrainedModel(file: string): TrainedModel {
  const { checkpoint, record } = readRun(file);
  const { settings } = record;
  const model = languageModel(settings.model, { seed: settings.seed });
  tf.tidy(() => {
    const values = [...checkpoint.parameters].map(([name, { data, shape, dtype }]) => [
      name,
      tf.tensor(data, shape, dtype),
    ]);
    writeParameters(model, Object.fromEntries(values));
  });
  return { model, settings };
}
