import type { FlowMatchingOptions, VideoDiffusionConfig } from 'fastweight';

/** All that a run is made by; a checkpoint carries it. */
export interface Settings {
  model: Partial<VideoDiffusionConfig> & { windowFrames: number; height: number; width: number };
  flow: FlowMatchingOptions;
  seed: number;
  /** Side of a digit in pixels, a divisor of MNIST's 28; digits in a video. */
  digitSize: number;
  digits: number;
  /** Least and greatest speed of a digit, in pixels a frame. */
  speed: [number, number];
  /** Videos of a step, and their frames. */
  batch: number;
  frames: number;
  /** Share of the videos that are trained without their labels, for guidance. */
  dropLabels: number;
  /** Learning rate of the matrices after warm-up and at the end; AdamW's is a share of it. */
  peakRate: number;
  finalRate: number;
  adamWRate: number;
  warmupSteps: number;
  weightDecay: number;
  maxGradientNorm: number;
  /** Held-out videos that are measured, and how often besides before the first step. */
  heldOutVideos: number;
  evaluations: number;
  /** Videos that are sampled, their frames, Euler steps of a window, scale of the guidance. */
  samples: number;
  sampleFrames: number;
  sampleSteps: number;
  guidance: number;
}

/** A model of half a million parameters that learns how digits move in minutes on two cores. */
export const defaultSettings: Settings = {
  model: {
    channels: 1,
    windowFrames: 2,
    height: 24,
    width: 24,
    patchSize: [1, 4, 4],
    dim: 96,
    numLayers: 3,
    numHeads: 2,
    ffnDim: 384,
    freqDim: 64,
    textDim: 11,
    fwHeadDim: 48,
    interMulti: 1,
  },
  flow: { timestepShift: 1 },
  seed: 1,
  digitSize: 14,
  digits: 1,
  speed: [0.5, 1.5],
  batch: 4,
  frames: 10,
  dropLabels: 0.1,
  peakRate: 0.02,
  finalRate: 0.001,
  adamWRate: 0.15,
  warmupSteps: 20,
  weightDecay: 0.01,
  maxGradientNorm: 1,
  heldOutVideos: 32,
  evaluations: 9,
  samples: 6,
  sampleFrames: 10,
  sampleSteps: 20,
  guidance: 2,
};

/** The same job at a size that takes seconds. */
export const quickSettings: Settings = {
  ...defaultSettings,
  model: {
    ...defaultSettings.model,
    height: 16,
    width: 16,
    dim: 24,
    numLayers: 1,
    ffnDim: 48,
    fwHeadDim: 12,
  },
  digitSize: 7,
  batch: 2,
  frames: 4,
  warmupSteps: 5,
  heldOutVideos: 4,
  evaluations: 2,
  samples: 2,
  sampleFrames: 6,
  sampleSteps: 3,
};
