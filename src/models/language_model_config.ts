import {
  type FastWeightAttentionConfig,
  fastWeightDims,
} from '../layers/fast_weight_attention_config';
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

/** Settings of the LaCT language model (arXiv 2505.23884, section 4.2; `lact_swiglu`). */
export interface LanguageModelConfig extends FastWeightAttentionConfig {
  vocabSize: number;
  numHiddenLayers: number;
  normEps: number;
  /** Use embeddings.weight as lm_head.weight. */
  tieWordEmbeddings: boolean;
  /** Sets `intermediateSize` where that is not given. */
  hiddenRatio: number;
  /** Width of the gated MLP; default hiddenSize * hiddenRatio * 2 / 3, up to a multiple of 256. */
  intermediateSize: number;
}

const defaults: Omit<LanguageModelConfig, 'intermediateSize'> = {
  vocabSize: 32000,
  hiddenSize: 2048,
  numHiddenLayers: 24,
  numAttnHeads: 32,
  numLactHeads: 4,
  interMulti: 1,
  windowSize: 2048,
  lactChunkSize: 2048,
  qkvBias: false,
  attnQkNorm: false,
  qkvSilu: true,
  noVSilu: false,
  useMuon: false,
  newtonSchulz: 'you5',
  learnableTttScale: true,
  tttPrenorm: false,
  tttNope: false,
  ropeTheta: 10000,
  w0w2LowRank: -1,
  useMomentum: true,
  fwInitGain: 0.5,
  normEps: 1e-6,
  tieWordEmbeddings: false,
  hiddenRatio: 4,
  initializerRange: 0.006,
};

const checks: Record<keyof LanguageModelConfig, Check> = {
  vocabSize: integer(1),
  hiddenSize: integer(1),
  numHiddenLayers: integer(1),
  numAttnHeads: integer(1),
  numLactHeads: integer(0),
  interMulti: positive,
  windowSize: integer(0),
  lactChunkSize: integer(1),
  qkvBias: boolean,
  attnQkNorm: boolean,
  qkvSilu: boolean,
  noVSilu: boolean,
  useMuon: boolean,
  newtonSchulz: schedule,
  learnableTttScale: boolean,
  tttPrenorm: boolean,
  tttNope: boolean,
  ropeTheta: positive,
  w0w2LowRank: integer(-1),
  useMomentum: boolean,
  fwInitGain: positive,
  normEps: positive,
  tieWordEmbeddings: boolean,
  hiddenRatio: positive,
  intermediateSize: integer(1),
  initializerRange: positive,
};

function checkHeads(config: LanguageModelConfig): void {
  for (const heads of ['numAttnHeads', 'numLactHeads'] as const) {
    if (config[heads] > 0 && config.hiddenSize % config[heads] !== 0) {
      const expectation = `a divisor of hiddenSize ${config.hiddenSize}`;
      throw expected('ERR_ARGUMENT', expectation, heads, show(config[heads]));
    }
  }
  const headDim = config.hiddenSize / config.numAttnHeads;
  if (headDim % 2 !== 0) {
    const expectation = 'a number of heads with an even head width';
    const got = `${config.numAttnHeads}, which makes it ${headDim}`;
    throw expected('ERR_ARGUMENT', expectation, 'numAttnHeads', got);
  }
  if (config.numLactHeads > 0 && fastWeightDims(config).hidden < 1) {
    const expectation = 'a multiple that leaves a fast-weight hidden width of at least 1';
    throw expected('ERR_ARGUMENT', expectation, 'interMulti', show(config.interMulti));
  }
}

/**
 * A full config from a partial one: the published defaults where a setting is absent or undefined.
 *
 * @throws FastWeightError ERR_ARGUMENT for a setting that is unknown or out of its range.
 */
export function resolveLanguageModelConfig(
  partial: Partial<LanguageModelConfig>,
): LanguageModelConfig {
  const given = givenSettings(partial, checks, 'the language model');
  const config = { ...defaults, ...given } as LanguageModelConfig;
  if (given.intermediateSize === undefined) {
    const width = Math.trunc((config.hiddenSize * config.hiddenRatio * 2) / 3);
    config.intermediateSize = 256 * Math.ceil(width / 256);
  }
  assertSettings(config, checks);
  checkHeads(config);
  return config;
}

/** Published settings that this model has one value of. */
const fixed: Record<string, readonly unknown[]> = {
  model_type: ['lact_swiglu'],
  lr_dim: [1],
  lr_parameterization: ['mamba'],
  ttt_loss_type: ['dot_product'],
  hidden_act: ['swish', 'silu'],
};

/** 'hiddenSize' -> 'hidden_size' */
function publishedName(name: string): string {
  if (name === 'w0w2LowRank') return 'w0_w2_low_rank';
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * A config from a published model's config.json (snake_case). Settings of the published code that
 * do not change the model (fused kernels, caches, token ids) are passed over.
 *
 * @throws FastWeightError ERR_ARGUMENT for a value out of its range, or one that asks for a model
 * other than this one.
 */
export function fromPublishedConfig(json: Record<string, unknown>): LanguageModelConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw expected('ERR_ARGUMENT', 'an object', 'the published config', show(json));
  }
  for (const [name, values] of Object.entries(fixed)) {
    const value = json[name];
    if (value !== undefined && !values.includes(value)) {
      throw expected('ERR_ARGUMENT', values.map(show).join(' or '), name, show(value));
    }
  }
  const partial: Record<string, unknown> = {};
  for (const name of Object.keys(checks)) {
    const published = publishedName(name);
    const value = json[published];
    if (value !== undefined && value !== null) partial[name] = value;
  }
  if (json.window_size === null) partial.windowSize = 0;
  return resolveLanguageModelConfig(partial);
}
