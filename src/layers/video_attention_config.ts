import type { NewtonSchulzSchedule } from '../ops/newton_schulz_schedule';
import {
  linearParameters,
  normal,
  ones,
  type ParameterSpec,
  xavier,
  zeros,
} from './parameter_spec';

/**
 * Settings of the LaCT layer of autoregressive video: window attention and fast weights on the same
 * q, k, v. Names are those of the published layer.
 */
export interface VideoAttentionConfig {
  /** Width of the residual stream; divisible by `numHeads` and `fwHeadDim`. */
  dim: number;
  /** Heads of the window attention; also the grouping of every rotary embedding. */
  numHeads: number;
  /** Width of a head of the fast weights. */
  fwHeadDim: number;
  /** Hidden width of a fast-weight network in units of its head width. */
  interMulti: number;
  /** Frames of tokens in a window, and rows and columns of tokens in a frame. */
  windowFrames: number;
  gridHeight: number;
  gridWidth: number;
  /** Noisy windows of the same frames in training, each with noise of its own. */
  numRepeat: number;
  /** Last tokens of the clean window before that a noisy window sees; -1 sees all of them. */
  kvCacheSize: number;
  useMuon: boolean;
  /** Schedule of Muon's Newton-Schulz iteration. */
  newtonSchulz: NewtonSchulzSchedule;
  /** SiLU on the q, k and v of the fast weights. */
  qkvSilu: boolean;
  // Not qkL2Norm, whose case tfjs-layers does not restore when it loads a saved model.
  /** Unit length of the q and k of the fast weights. */
  qkL2norm: boolean;
  /** Scale the fast-weight output per token by silu of a projection; otherwise by 1. */
  learnableTttScale: boolean;
  /** Epsilon of the norms. */
  eps: number;
}

/** Tokens of a window. */
export function windowTokens(
  config: Pick<VideoAttentionConfig, 'windowFrames' | 'gridHeight' | 'gridWidth'>,
): number {
  return config.windowFrames * config.gridHeight * config.gridWidth;
}

/** The parameters of the layer, by their published names within it. */
export function videoAttentionParameters(config: VideoAttentionConfig): ParameterSpec[] {
  const { dim, fwHeadDim, interMulti } = config;
  const heads = dim / fwHeadDim;
  const hidden = Math.trunc(fwHeadDim * interMulti);
  const projection = (name: string) => linearParameters(name, [dim, dim], xavier(dim, dim), true);
  const weights = (name: string, shape: number[]): ParameterSpec => ({
    name,
    shape: [heads, ...shape],
    initializer: normal(shape[1] ** -0.5),
  });
  const scale = config.learnableTttScale
    ? [
        { name: 'ttt_scale_proj.weight', shape: [1, dim], initializer: zeros },
        { name: 'ttt_scale_proj.bias', shape: [1], initializer: zeros },
      ]
    : [];
  return [
    ...['q', 'k', 'v', 'o'].flatMap(projection),
    { name: 'norm_q.weight', shape: [dim], initializer: ones },
    { name: 'norm_k.weight', shape: [dim], initializer: ones },
    ...linearParameters('lr_proj', [3 * heads, dim], (3 * dim) ** -0.5, true),
    { name: 'output_norm.weight', shape: [fwHeadDim], initializer: ones },
    weights('w0', [hidden, fwHeadDim]),
    weights('w1', [fwHeadDim, hidden]),
    weights('w2', [hidden, fwHeadDim]),
    { name: 'qk_scale', shape: [dim, 2], initializer: ones },
    { name: 'qk_offset', shape: [dim, 2], initializer: zeros },
    ...scale,
  ];
}
