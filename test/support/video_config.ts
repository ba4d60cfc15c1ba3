import type { VideoDiffusionConfig } from '../../src/models/video_diffusion_config';

/** A video diffusion model small enough to compare every value of. */
export const smallVideoConfig: Partial<VideoDiffusionConfig> = {
  channels: 2,
  windowFrames: 2,
  height: 4,
  width: 6,
  patchSize: [1, 2, 2],
  dim: 24,
  numLayers: 2,
  numHeads: 2,
  ffnDim: 40,
  freqDim: 16,
  textDim: 5,
  fwHeadDim: 12,
  interMulti: 2,
};
