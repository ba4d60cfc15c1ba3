import type { LayersModel } from '@tensorflow/tfjs-layers';
import { FastWeightAttention } from '../layers/fast_weight_attention';
import type { FastWeightAttentionConfig } from '../layers/fast_weight_attention_config';
import { expected } from '../native/errors';

/** The settings of a language model's attention, which are the same in all its layers. */
export function attentionOf(model: LayersModel): Readonly<FastWeightAttentionConfig> {
  for (const layer of model.layers) {
    if (layer instanceof FastWeightAttention) return layer.config;
  }
  throw expected('ERR_ARGUMENT', 'a language model', 'model', `'${model.name}'`);
}

/** What its rotary embeddings turn by. */
export function rotaryOf({
  hiddenSize,
  numAttnHeads,
  ropeTheta,
}: Readonly<FastWeightAttentionConfig>): { headDim: number; base: number } {
  return { headDim: hiddenSize / numAttnHeads, base: ropeTheta };
}
