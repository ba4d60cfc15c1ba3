/**
 * fastweight: fast-weight test-time-training layers for TensorFlow.js on a native core. Importing it
 * registers the tfjs backend 'fastweight-cpu', which `await tf.ready()` then picks.
 */
import './kernels/register';

export { type ErrorCode, FastWeightError } from './native/errors';
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
export * as programs from './ops/programs';
export type { Program, ProgramStep } from './ops/programs';
export * as reference from './reference';
