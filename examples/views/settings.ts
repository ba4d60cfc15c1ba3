import type { ViewSynthesisConfig } from 'fastweight';

export interface Settings {
  seed: number;
  model: Partial<ViewSynthesisConfig>;
  /** Pixels along the side of an image. */
  size: number;
  /** Procedural scenes to train on and to measure on. */
  trainScenes: number;
  testScenes: number;
  /** Views of a procedural scene to train on. */
  trainViews: number;
  /** Views of the scene of a folder that are held out. */
  heldOutViews: number;
  /** Scenes in a step. */
  batch: number;
  /** A step has between these numbers of context views. */
  contextViews: [least: number, most: number];
  /** Views that a step renders of each scene. */
  targetViews: number;
  steps: number;
  warmupSteps: number;
  peakRate: number;
  finalRate: number;
  weightDecay: number;
  maxGradientNorm: number;
  /** Numbers of context views to measure with. */
  measuredContexts: number[];
  /** Views to render of each scene when measuring. */
  measuredTargets: number;
  /** Measurements during training, in equal parts of the run. */
  measurements: number;
  /** Frames of the turntable. */
  frames: number;
}

function blocks(
  headDim: number,
  fastHeadDim: number,
  interMulti: number,
): ViewSynthesisConfig['blockConfig'] {
  return [
    { type: 'model.SelfAttention', params: { headDim } },
    { type: 'lact_ttt.FastWeightGluMLPMultihead', params: { headDim: fastHeadDim, interMulti } },
    { type: 'model.MLP', params: { interMulti: 2 } },
  ];
}

/** Some 6 minutes on two cores. */
export const defaultSettings: Settings = {
  seed: 1,
  // The published deviation 0.02 suits 768 channels; narrow layers start with as large outputs.
  model: {
    patchSize: 4,
    dim: 96,
    layers: 3,
    blockConfig: blocks(32, 32, 2),
    initializerRange: 0.06,
  },
  size: 32,
  trainScenes: 600,
  testScenes: 16,
  trainViews: 12,
  heldOutViews: 12,
  batch: 4,
  contextViews: [1, 6],
  targetViews: 3,
  steps: 3000,
  warmupSteps: 50,
  peakRate: 3e-3,
  finalRate: 6e-5,
  weightDecay: 0.05,
  maxGradientNorm: 1,
  measuredContexts: [1, 2, 4, 8],
  measuredTargets: 4,
  measurements: 20,
  frames: 48,
};

/** For the views of one scene, which the model soon knows by heart: more steps render others worse. */
export const folderSteps = 1250;

/** A look at the example in seconds. */
export const quickSettings: Settings = {
  ...defaultSettings,
  model: {
    patchSize: 4,
    dim: 32,
    layers: 1,
    blockConfig: blocks(16, 16, 1),
    initializerRange: 0.1,
  },
  size: 16,
  trainScenes: 8,
  testScenes: 2,
  trainViews: 8,
  contextViews: [1, 4],
  batch: 2,
  steps: 40,
  warmupSteps: 5,
  measurements: 4,
  frames: 6,
};
