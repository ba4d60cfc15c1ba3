// Names of the fast-weight kernels and what they are called with. A scan with momentum is a kernel
// of its own, because tfjs saves the same inputs for every call of a kernel.
import type { TensorInfo } from '@tensorflow/tfjs-core';

export const scanKernel = 'FastWeightScan';
export const momentumScanKernel = 'FastWeightScanWithMomentum';
export const scanBackwardKernel = 'FastWeightScanBackward';
export const newtonSchulzKernel = 'NewtonSchulz';
export const newtonSchulzBackwardKernel = 'NewtonSchulzBackward';

export interface ScanInputs {
  /** [rows, tokens, keyDim] */
  q: TensorInfo;
  k: TensorInfo;
  /** [rows, tokens, valueDim] */
  v: TensorInfo;
  /** [rows, tokens, 3] */
  rates: TensorInfo;
  /** [rows, tokens, 1] */
  momentum?: TensorInfo;
  /** [rows, hiddenDim, keyDim] */
  w0: TensorInfo;
  /** [rows, valueDim, hiddenDim] */
  w1: TensorInfo;
  w2: TensorInfo;
}

export interface ScanAttrs {
  program: Int32Array;
  outputTokens: number;
  weightNorm: 'post' | 'pre' | 'none';
  detachNorm: boolean;
  memory: 'auto' | 'store' | 'recompute';
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  /** Whether to return the final state behind the output and the tape. */
  returnState: boolean;
  /** Whether a backward may follow. */
  keepTape: boolean;
}

export interface NewtonSchulzAttrs {
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  epsilon: number;
}
