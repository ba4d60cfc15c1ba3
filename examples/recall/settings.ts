import type { RecallModelSettings } from './recall_model';
import type { RecallTask } from './task';

/** A part of the training: sequences grow from stage to stage, and with them the distances. */
export interface Stage {
  steps: number;
  batch: number;
  tokens: number;
}

/** All that the experiment is made by. */
export interface Settings {
  task: RecallTask;
  model: RecallModelSettings;
  /** Tokens that a query of the attention sees. */
  window: number;
  /** Chunk of the fast weights where kinds of memory are compared. */
  chunk: number;
  stages: Stage[];
  peakRate: number;
  warmupSteps: number;
  seed: number;
  /** Sequences that accuracies are measured on, and their length. */
  testSequences: number;
  testTokens: number;
  /** Chunks that fast weights with Muon are trained with, one model each. */
  chunks: number[];
  /** Sequences of a few chunks that each is trained on, and how many a step has at most. */
  chunkSequences: number;
  chunkBatch: number;
  /** Tokens of a step, where the sequences are long. */
  chunkTokens: number;
  /** What follows, the same for all, so that each has seen the same distances. */
  chunkEnd: Stage;
}

const task: RecallTask = { keys: 64, values: 64, fillers: 16, pairs: 8, queryShare: 0.5 };

const model: RecallModelSettings = { hiddenSize: 128, numAttnHeads: 4, intermediateSize: 128 };

/** Some minutes on two cores. */
export const defaultSettings: Settings = {
  task,
  model,
  window: 64,
  chunk: 64,
  stages: [
    { steps: 400, batch: 8, tokens: 256 },
    { steps: 100, batch: 4, tokens: 512 },
    { steps: 100, batch: 2, tokens: 1024 },
  ],
  peakRate: 3e-3,
  warmupSteps: 20,
  seed: 1,
  testSequences: 32,
  testTokens: 4096,
  chunks: [16, 64, 256, 1024],
  chunkSequences: 3200,
  chunkBatch: 8,
  chunkTokens: 4096,
  chunkEnd: { steps: 60, batch: 1, tokens: 2048 },
};

/** Trains on distances up to those that are measured, and with every chunk size. */
export const longSettings: Settings = {
  ...defaultSettings,
  stages: [
    ...defaultSettings.stages,
    { steps: 100, batch: 1, tokens: 2048 },
    { steps: 100, batch: 1, tokens: 4096 },
  ],
  chunks: [16, 32, 64, 128, 256, 512, 1024],
  chunkSequences: 4800,
};

/** The same job at a size that takes seconds; what it measures says nothing. */
export const quickSettings: Settings = {
  ...defaultSettings,
  task: { keys: 8, values: 4, fillers: 4, pairs: 2, queryShare: 0.5 },
  model: { hiddenSize: 16, numAttnHeads: 2, intermediateSize: 16 },
  window: 8,
  chunk: 8,
  stages: [
    { steps: 4, batch: 2, tokens: 16 },
    { steps: 2, batch: 2, tokens: 32 },
  ],
  warmupSteps: 2,
  testSequences: 2,
  testTokens: 64,
  chunks: [8, 16],
  chunkSequences: 4,
  chunkBatch: 2,
  chunkTokens: 32,
  chunkEnd: { steps: 1, batch: 1, tokens: 48 },
};
