import type { Handle } from './tensor_storage_addon';

/** What a forward keeps for its backward. */
export const scanMemories = ['auto', 'store', 'activations', 'recompute'] as const;
export type ScanMemory = (typeof scanMemories)[number];

/**
 * Sizes, program and options of a scan, and the handles of its tensors by name: q, k, v, rates,
 * momentum, and w0, w1, w2 alone and followed by Main, Momentum and Norm, for inputs as they are, for
 * outputs followed by Out, in the backward by Gradient and (for outputs) Cotangent. A tensor that
 * native code does not need may be absent.
 */
export interface ScanFields extends Record<string, unknown> {
  rows: number;
  tokens: number;
  keyDim: number;
  hiddenDim: number;
  valueDim: number;
  /** kind (0 update, 1 apply), start, end of each step */
  program: Int32Array;
  weightNorm: 'post' | 'pre' | 'none';
  detachNorm: boolean;
  memory: ScanMemory;
  /** a, b, c of each step; empty for plain gradient steps */
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  normEpsilon: number;
  newtonSchulzEpsilon: number;
  /** Tensor that owns the tape; 0 keeps none. */
  tape: Handle;
}

export interface NewtonSchulzFields {
  matrices: number;
  rows: number;
  columns: number;
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  epsilon: number;
  d: Handle;
  /** The forward's result, */
  out?: Handle;
  /** or, for the backward, its cotangent and where the input's goes. */
  outCotangent?: Handle;
  dCotangent?: Handle;
}

/** Fast-weight functions of the addon (native/binding/fast_weights.cc). */
export interface FastWeightAddon {
  fastWeightScan(fields: ScanFields & { output: Handle }): void;
  fastWeightScanBackward(fields: ScanFields & { outputCotangent: Handle }): void;
  newtonSchulz(fields: NewtonSchulzFields): void;
}
