/**
 * fastweight: fast-weight test-time-training layers for TensorFlow.js on a native core. Importing it
 * registers the tfjs backend 'fastweight-cpu', which `await tf.ready()` then picks.
 */
import './kernels/register';

export { type ErrorCode, FastWeightError } from './native/errors';
export { silu, softplus, stepSizes, swiglu } from './ops/activations';
export {
  type FastWeightInputs,
  type FastWeightScanOptions,
  type FastWeightScanResult,
  fastWeightScan,
  fastWeightScanOutput,
} from './ops/fast_weight_scan';
export { FastWeightState, type FastWeights } from './ops/fast_weight_state';
export { newtonSchulz } from './ops/newton_schulz';
export type { NewtonSchulzSchedule, NewtonSchulzTriple } from './ops/newton_schulz_schedule';
export { l2Norm, layerNorm, rmsNorm } from './ops/norms';
export type { Program, ProgramStep } from './ops/programs';
export * as programs from './ops/programs';
export { type RotaryEmbeddingOptions, rotaryEmbedding } from './ops/rotary_embedding';
export {
  type SlidingWindowAttentionOptions,
  slidingWindowAttention,
} from './ops/sliding_window_attention';
export { softmaxCrossEntropy } from './ops/softmax_cross_entropy';
export * as reference from './reference';
