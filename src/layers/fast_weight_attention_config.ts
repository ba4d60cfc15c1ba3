import type { NewtonSchulzSchedule } from '../ops/newton_schulz_schedule';
import { linearParameters, normal, ones, type ParameterSpec, zeros } from './parameter_spec';

/** Settings of the LaCT layer: sliding-window attention and fast weights on the same q, k, v. */
export interface FastWeightAttentionConfig {
  /** Width of the residual stream; divisible by the head counts. */
  hiddenSize: number;
  /** Heads of the sliding-window attention; also the grouping of every rotary embedding. */
  numAttnHeads: number;
  /** Heads of the fast weights; 0 leaves them out, so that attention stands alone. */
  numLactHeads: number;
  /** Hidden width of a fast-weight network in units of its head width. */
  interMulti: number;
  /** Tokens an attention query sees, itself included; 0 sees every token before it. */
  windowSize: number;
  /** Tokens written into the fast weights at a time. */
  lactChunkSize: number;
  qkvBias: boolean;
  /** RMS norm over the whole width of q and of k. */
  attnQkNorm: boolean;
  /** SiLU on the q, k and v of the fast weights. */
  qkvSilu: boolean;
  /** With `qkvSilu`: leave v as it is. */
  noVSilu: boolean;
  useMuon: boolean;
  /** Schedule of Muon's Newton-Schulz iteration. */
  newtonSchulz: NewtonSchulzSchedule;
  /** Scale the fast-weight output per token and head by silu of a projection. */
  learnableTttScale: boolean;
  /** Normalise fast weights when they are read instead of when they are stored. */
  tttPrenorm: boolean;
  /** No rotary embedding on the q and k of the fast weights. */
  tttNope: boolean;
  ropeTheta: number;
  // Not w0W2LowRank, whose case tfjs-layers does not restore when it loads a saved model.
  /** Rank of the initial w0 and w2 (plus half the identity); 0 or less learns them in full. */
  w0w2LowRank: number;
  useMomentum: boolean;
  /** Gain of the initial low-rank factors. */
  fwInitGain: number;
  /** Standard deviation of the initial linear weights. */
  initializerRange: number;
}

/** The fast-weight widths that follow from a config. */
export function fastWeightDims(
  config: Pick<FastWeightAttentionConfig, 'hiddenSize' | 'numLactHeads' | 'interMulti'>,
): { headDim: number; hidden: number } {
  const headDim = config.hiddenSize / config.numLactHeads;
  return { headDim, hidden: Math.trunc(headDim * config.interMulti) };
}

/** An initial fast-weight matrix w0 or w2: in full, or as the factors of a low-rank product. */
function inputFastWeight(name: string, config: FastWeightAttentionConfig): ParameterSpec[] {
  const { numLactHeads: heads, w0w2LowRank: rank, fwInitGain: gain } = config;
  const { headDim, hidden } = fastWeightDims(config);
  if (rank <= 0) {
    return [{ name, shape: [heads, hidden, headDim], initializer: normal(headDim ** -0.5) }];
  }
  return [
    {
      name: `${name}.w_left`,
      shape: [heads, hidden, rank],
      initializer: normal(gain * rank ** -0.5),
    },
    {
      name: `${name}.w_right`,
      shape: [heads, rank, headDim],
      initializer: normal(gain * headDim ** -0.5),
    },
  ];
}

/** The parameters that only the fast weights use. */
function fastWeightParameters(config: FastWeightAttentionConfig): ParameterSpec[] {
  const { hiddenSize: width, numLactHeads: heads, initializerRange: std } = config;
  if (heads === 0) return [];
  const { headDim, hidden } = fastWeightDims(config);
  const w1 = { name: 'w1', shape: [heads, headDim, hidden], initializer: normal(hidden ** -0.5) };
  const scale = config.learnableTttScale
    ? linearParameters('ttt_scale_proj', [heads, width], std, true)
    : [];
  const momentum = config.useMomentum
    ? linearParameters('momentum_proj.0', [heads, width], std, true)
    : [];
  return [
    ...inputFastWeight('w0', config),
    w1,
    ...inputFastWeight('w2', config),
    ...linearParameters('lr_proj', [3 * heads, width], std, true),
    { name: 'qk_scale', shape: [width, 2], initializer: ones },
    { name: 'qk_offset', shape: [width, 2], initializer: zeros },
    ...scale,
    { name: 'ttt_norm.weight', shape: [headDim], initializer: ones },
    ...momentum,
  ];
}

/** The parameters of the layer, by their published names within it. */
export function fastWeightAttentionParameters(config: FastWeightAttentionConfig): ParameterSpec[] {
  const { hiddenSize: width, initializerRange: std } = config;
  const norms = config.attnQkNorm ? ['q_norm.weight', 'k_norm.weight'] : [];
  return [
    ...linearParameters('qkv', [3 * width, width], std, config.qkvBias),
    ...norms.map((name) => ({ name, shape: [width], initializer: ones })),
    ...fastWeightParameters(config),
    ...linearParameters('o_proj', [width, width], std),
  ];
}
