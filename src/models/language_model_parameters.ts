import { fastWeightAttentionParameters } from '../layers/fast_weight_attention_config';
import { gatedMlpParameters } from '../layers/gated_mlp';
import { normal, ones, type ParameterSpec } from '../layers/parameter_spec';
import type { LanguageModelConfig } from './language_model_config';

/** Parameters of one layer, without the layer's prefix. */
function layerParameters(config: LanguageModelConfig): ParameterSpec[] {
  const { hiddenSize: width } = config;
  const within = (layer: string, specs: ParameterSpec[]) =>
    specs.map((spec) => ({ ...spec, name: `${layer}.${spec.name}` }));
  return [
    { name: 'attn_norm.weight', shape: [width], initializer: ones },
    ...within('attn', fastWeightAttentionParameters(config)),
    { name: 'mlp_norm.weight', shape: [width], initializer: ones },
    ...within('mlp', gatedMlpParameters(config)),
  ];
}

/**
 * Every parameter of the language model: its published name (without the checkpoint's leading
 * 'model.'), shape and initial distribution, in the order in which the model reads them. Tied
 * embeddings leave out lm_head.weight.
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
