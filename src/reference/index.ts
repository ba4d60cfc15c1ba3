/** The operations, models and layers in plain TensorFlow.js, for checks on any backend. */
import { fastWeightScan } from './fast_weight_scan';
import { evaluateLanguageModel } from './language_model';
import { newtonSchulz } from './newton_schulz';
import { type ProductRounding, withProductRounding } from './products';
import { evaluateVideoLayer } from './video_layer';
import { evaluateViewSynthesis } from './view_synthesis';

export { gelu, silu, stepSizes } from './activations';
export { attention, slidingWindowAttention } from './attention';
export * from './fast_weight_scan';
export {
  evaluateLanguageModel,
  type LanguageModelEvaluation,
  languageModel,
  languageModelLoss,
} from './language_model';
export * from './newton_schulz';
export { l2Norm, layerNorm, rmsNorm } from './norms';
export { type ProductRounding, withProductRounding } from './products';
export { shiftedCausalProgram } from './programs';
export { rotaryEmbedding } from './rotary';
export { videoRotaryEmbedding } from './rotary_axes';
export { evaluateVideoLayer, type VideoLayerEvaluation, videoLayer } from './video_layer';
export {
  evaluateViewSynthesis,
  renderViews,
  type ViewSynthesisEvaluation,
  viewSynthesis,
} from './view_synthesis';

/** What golden cases run on; another implementation has the same signatures. */
export interface Implementation {
  fastWeightScan: typeof fastWeightScan;
  newtonSchulz: typeof newtonSchulz;
  evaluateLanguageModel: typeof evaluateLanguageModel;
  evaluateVideoLayer: typeof evaluateVideoLayer;
  evaluateViewSynthesis: typeof evaluateViewSynthesis;
}

export const referenceImplementation: Implementation = {
  fastWeightScan,
  newtonSchulz,
  evaluateLanguageModel,
  evaluateVideoLayer,
  evaluateViewSynthesis,
};

/** The reference with the operands of every matrix product rounded. */
export function roundedReference(rounding: ProductRounding): Implementation {
  const inRounding =
    <Args extends unknown[], Result>(operation: (...args: Args) => Result) =>
    (...args: Args): Result =>
      withProductRounding(rounding, () => operation(...args));
  return {
    fastWeightScan: inRounding(fastWeightScan),
    newtonSchulz: inRounding(newtonSchulz),
    evaluateLanguageModel: inRounding(evaluateLanguageModel),
    evaluateVideoLayer: inRounding(evaluateVideoLayer),
    evaluateViewSynthesis: inRounding(evaluateViewSynthesis),
  };
}
