import { fastWeightDims, type LanguageModelConfig } from './language_model_config';

/** How a parameter starts. */
export type Initializer = { kind: 'normal'; std: number } | { kind: 'ones' } | { kind: 'zeros' };

export interface ParameterSpec {
  /** The published name, without the checkpoint's leading 'model.'. */
  name: string;
  /** Linear weights are [out, in], as published. */
  shape: number[];
  initializer: Initializer;
}

const ones: Initializer = { kind: 'ones' };
const zeros: Initializer = { kind: 'zeros' };
const normal = (std: number): Initializer => ({ kind: 'normal', std });

/** An initial fast-weight matrix w0 or w2: in full, or as the factors of a low-rank product. */
function inputFastWeight(name: string, config: LanguageModelConfig): ParameterSpec[] {
  const { numLactHeads: heads, w0W2LowRank: rank, fwInitGain: gain } = config;
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

/** Parameters of the layer that joins attention and fast weights, without the layer's prefix. */
function attentionParameters(config: LanguageModelConfig): ParameterSpec[] {
  const { hiddenSize: width, numLactHeads: heads } = config;
  const { headDim, hidden } = fastWeightDims(config);
  const linear = (name: string, out: number, bias: boolean): ParameterSpec[] => {
    const initializer = normal(config.initializerRange);
    const weight = { name: `${name}.weight`, shape: [out, width], initializer };
    return bias ? [weight, { name: `${name}.bias`, shape: [out], initializer: zeros }] : [weight];
  };
  const w1 = {
    name: 'w1',
    shape: [heads, headDim, hidden],
    initializer: normal(hidden ** -0.5),
  };
  return [
    ...linear('qkv', 3 * width, config.qkvBias),
    ...(config.attnQkNorm
      ? ['q_norm.weight', 'k_norm.weight'].map((name) => ({
          name,
          shape: [width],
          initializer: ones,
        }))
      : []),
    ...inputFastWeight('w0', config),
    w1,
    ...inputFastWeight('w2', config),
    ...linear('lr_proj', 3 * heads, true),
    { name: 'qk_scale', shape: [width, 2], initializer: ones },
    { name: 'qk_offset', shape: [width, 2], initializer: zeros },
    ...(config.learnableTttScale ? linear('ttt_scale_proj', heads, true) : []),
    { name: 'ttt_norm.weight', shape: [headDim], initializer: ones },
    ...(config.useMomentum ? linear('momentum_proj.0', heads, true) : []),
    ...linear('o_proj', width, false),
  ];
}

/** Parameters of one layer, without the layer's prefix. */
function layerParameters(config: LanguageModelConfig): ParameterSpec[] {
  const { hiddenSize: width, intermediateSize: inner } = config;
  const initializer = normal(config.initializerRange);
  return [
    { name: 'attn_norm.weight', shape: [width], initializer: ones },
    ...attentionParameters(config).map((spec) => ({ ...spec, name: `attn.${spec.name}` })),
    { name: 'mlp_norm.weight', shape: [width], initializer: ones },
    { name: 'mlp.gate_proj.weight', shape: [inner, width], initializer },
    { name: 'mlp.up_proj.weight', shape: [inner, width], initializer },
    { name: 'mlp.down_proj.weight', shape: [width, inner], initializer },
  ];
}

/**
 * Every parameter of the language model: its published name, shape and initial distribution, in the
 * order in which the model reads them. Tied embeddings leave out lm_head.weight.
 */
export function languageModelParameters(config: LanguageModelConfig): ParameterSpec[] {
  const { vocabSize, hiddenSize } = config;
  const table = { shape: [vocabSize, hiddenSize], initializer: normal(config.initializerRange) };
  const layer = layerParameters(config);
  const layers = Array.from({ length: config.numHiddenLayers }, (_, index) =>
    layer.map((spec) => ({ ...spec, name: `layers.${index}.${spec.name}` })),
  );
  return [
    { name: 'embeddings.weight', ...table },
    ...layers.flat(),
    { name: 'norm.weight', shape: [hiddenSize], initializer: ones },
    ...(config.tieWordEmbeddings ? [] : [{ name: 'lm_head.weight', ...table }]),
  ];
}
