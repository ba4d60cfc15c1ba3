import type { VideoAttentionConfig } from '../layers/video_attention_config';
import type { PatchSize } from '../layers/video_patches';
import { expected } from '../native/errors';
import {
  assertSettings,
  boolean,
  type Check,
  givenSettings,
  integer,
  positive,
  schedule,
  show,
} from './config_checks';

/**
 * Settings of the autoregressive video diffusion model (arXiv 2505.23884, section 4.3; the published
 * `lact_ar_video`, a Wan 2.1 transformer with LaCT layers).
 */
export interface VideoDiffusionConfig
  extends Omit<VideoAttentionConfig, 'windowFrames' | 'gridHeight' | 'gridWidth'> {
  /** Channels of the video, in and out. */
  channels: number;
  /** Frames of a window, rows and columns of the video; multiples of the patch's. */
  windowFrames: number;
  height: number;
  width: number;
  patchSize: PatchSize;
  numLayers: number;
  /** Width between the two maps of the MLP. */
  ffnDim: number;
  /** Width of the sinusoidal embedding of a diffusion time, even. */
  freqDim: number;
  /** Width of a context token's embedding; 0 makes a model without context. */
  textDim: number;
}

const defaults: VideoDiffusionConfig = {
  channels: 16,
  windowFrames: 3,
  height: 60,
  width: 104,
  patchSize: [1, 2, 2],
  dim: 1536,
  numLayers: 30,
  numHeads: 12,
  ffnDim: 8960,
  freqDim: 256,
  textDim: 4096,
  fwHeadDim: 768,
  interMulti: 2,
  numRepeat: 1,
  kvCacheSize: -1,
  useMuon: false,
  newtonSchulz: 'keller5',
  qkvSilu: false,
  qkL2norm: true,
  learnableTttScale: true,
  eps: 1e-6,
};

const patch: Check = {
  holds: (value) =>
    Array.isArray(value) &&
    value.length === 3 &&
    value.every((length) => Number.isSafeInteger(length) && length > 0),
  expectation: 'frames, rows and columns of a patch',
};

const checks: Record<keyof VideoDiffusionConfig, Check> = {
  channels: integer(1),
  windowFrames: integer(1),
  height: integer(1),
  width: integer(1),
  patchSize: patch,
  dim: integer(1),
  numLayers: integer(1),
  numHeads: integer(1),
  ffnDim: integer(1),
  freqDim: integer(2),
  textDim: integer(0),
  fwHeadDim: integer(1),
  interMulti: positive,
  numRepeat: integer(1),
  kvCacheSize: integer(-1),
  useMuon: boolean,
  newtonSchulz: schedule,
  qkvSilu: boolean,
  qkL2norm: boolean,
  learnableTttScale: boolean,
  eps: positive,
};

/** Frames, rows and columns of a window in patches. */
export function windowGrid(config: VideoDiffusionConfig): PatchSize {
  const { windowFrames, height, width, patchSize } = config;
  const size = [windowFrames, height, width];
  return patchSize.map((length, axis) => size[axis] / length) as PatchSize;
}

/** Throws ERR_ARGUMENT unless the settings fit together. */
function checkSizes(config: VideoDiffusionConfig): void {
  const { dim, patchSize, numHeads, freqDim, kvCacheSize } = config;
  (['windowFrames', 'height', 'width'] as const).forEach((name, axis) => {
    if (config[name] % patchSize[axis] === 0) return;
    const expectation = `a multiple of the patch's ${patchSize[axis]}`;
    throw expected('ERR_ARGUMENT', expectation, name, show(config[name]));
  });
  for (const name of ['numHeads', 'fwHeadDim'] as const) {
    if (dim % config[name] === 0) continue;
    throw expected('ERR_ARGUMENT', `a divisor of dim ${dim}`, name, show(config[name]));
  }
  if ((dim / numHeads) % 2 !== 0) {
    const got = `${numHeads}, which makes it ${dim / numHeads}`;
    const expectation = 'a number of heads with an even head width';
    throw expected('ERR_ARGUMENT', expectation, 'numHeads', got);
  }
  if (Math.trunc(config.fwHeadDim * config.interMulti) < 1) {
    const expectation = 'a multiple that leaves a fast-weight hidden width of at least 1';
    throw expected('ERR_ARGUMENT', expectation, 'interMulti', show(config.interMulti));
  }
  if (freqDim % 2 !== 0) throw expected('ERR_ARGUMENT', 'an even number', 'freqDim', `${freqDim}`);
  const tokens = windowGrid(config).reduce((product, count) => product * count);
  if (kvCacheSize === 0 || kvCacheSize > tokens) {
    const expectation = `-1 or a number from 1 to a window's ${tokens} tokens`;
    throw expected('ERR_ARGUMENT', expectation, 'kvCacheSize', `${kvCacheSize}`);
  }
}

/**
 * A full config from a partial one: the published 1.3B model's where a setting is absent or
 * undefined.
 *
 * @throws FastWeightError ERR_ARGUMENT for a setting that is unknown or out of its range, or for
 *   settings that do not fit together
 */
export function resolveVideoDiffusionConfig(
  partial: Partial<VideoDiffusionConfig>,
): VideoDiffusionConfig {
  const config = { ...defaults, ...givenSettings(partial, checks, 'the video diffusion model') };
  assertSettings(config, checks);
  checkSizes(config);
  return config;
}

/** The settings of the model's LaCT layers. */
export function videoAttentionSettings(config: VideoDiffusionConfig): VideoAttentionConfig {
  const [windowFrames, gridHeight, gridWidth] = windowGrid(config);
  const { dim, numHeads, fwHeadDim, interMulti, numRepeat, kvCacheSize } = config;
  const { useMuon, newtonSchulz, qkvSilu, qkL2norm, learnableTttScale, eps } = config;
  return {
    ...{ dim, numHeads, fwHeadDim, interMulti, numRepeat, kvCacheSize },
    ...{ useMuon, newtonSchulz, qkvSilu, qkL2norm, learnableTttScale, eps },
    ...{ windowFrames, gridHeight, gridWidth },
  };
}
