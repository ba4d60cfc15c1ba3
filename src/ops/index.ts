export { silu, softplus, stepSizes, swiglu } from './activations';
export { l2Norm, layerNorm, rmsNorm } from './norms';
export { type RotaryEmbeddingOptions, rotaryEmbedding } from './rotary_embedding';
export {
  type SlidingWindowAttentionOptions,
  slidingWindowAttention,
} from './sliding_window_attention';
export { softmaxCrossEntropy } from './softmax_cross_entropy';
