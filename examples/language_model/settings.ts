import type { LanguageModelConfig } from 'fastweight';

/** All that a run of the demo is made by; a checkpoint carries it. */
export interface Settings {
  model: Partial<LanguageModelConfig>;
  seed: number;
  /** Windows of a step, and bytes of a window. */
  batch: number;
  tokens: number;
  /** Learning rate after warm-up and at the end. */
  peakRate: number;
  finalRate: number;
  warmupSteps: number;
  weightDecay: number;
  beta2: number;
  maxGradientNorm: number;
  /** Bytes of the held-out chapters that are predicted. */
  heldOutBytes: number;
  /** How often they are, besides before the first step. */
  evaluations: number;
  /** Bytes of the window on which the first step is checked: more than two chunks. */
  checkedTokens: number;
  promptBytes: number;
  sampleBytes: number;
}

/** A model of 0.6 million parameters that learns to write words in some minutes on two cores. */
export const demoSettings: Settings = {
  model: {
    vocabSize: 256,
    hiddenSize: 128,
    numHiddenLayers: 2,
    numAttnHeads: 4,
    numLactHeads: 2,
    windowSize: 64,
    lactChunkSize: 64,
    useMomentum: true,
    useMuon: true,
    initializerRange: 0.05,
    tieWordEmbeddings: true,
  },
  seed: 1,
  batch: 1,
  tokens: 512,
  peakRate: 3e-3,
  finalRate: 3e-4,
  warmupSteps: 20,
  weightDecay: 0.01,
  beta2: 0.95,
  maxGradientNorm: 1,
  heldOutBytes: 40_000,
  evaluations: 6,
  checkedTokens: 160,
  promptBytes: 100,
  sampleBytes: 300,
};

/** The same job at a size that takes seconds. */
export const quickSettings: Settings = {
  ...demoSettings,
  model: {
    ...demoSettings.model,
    hiddenSize: 32,
    numHiddenLayers: 1,
    windowSize: 16,
    lactChunkSize: 16,
  },
  batch: 2,
  tokens: 64,
  warmupSteps: 5,
  heldOutBytes: 4096,
  checkedTokens: 40,
  promptBytes: 20,
  sampleBytes: 40,
};

/** The same job without fast weights. */
export function attentionAlone(settings: Settings): Settings {
  return { ...settings, model: { ...settings.model, numLactHeads: 0 } };
}
