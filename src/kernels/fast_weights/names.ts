// Names of the fast-weight kernels and what they are called with.
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { ScanMemory } from '../../native/fast_weight_addon';

export const scanKernel = 'FastWeightScan';
export const scanBackwardKernel = 'FastWeightScanBackward';
export const newtonSchulzKernel = 'NewtonSchulz';
export const newtonSchulzBackwardKernel = 'NewtonSchulzBackward';

/** The tensors of a state: the weights that f uses, main weights, momenta and row norms. */
const stateSets = {
  weights: ['w0', 'w1', 'w2'],
  mainWeights: ['w0Main', 'w1Main', 'w2Main'],
  momenta: ['w0Momentum', 'w1Momentum', 'w2Momentum'],
  norms: ['w0Norm', 'w1Norm', 'w2Norm'],
} as const;

export type StateSet = keyof typeof stateSets;
export type StateName = (typeof stateSets)[StateSet][number];

/** The names of a set's three tensors. */
export const namesOf = (set: StateSet): readonly StateName[] => stateSets[set];

/**
 * q, k [rows, tokens, keyDim], v [rows, tokens, valueDim], rates [rows, tokens, 3],
 * momentum [rows, tokens, 1].
 */
export type TokenName = 'q' | 'k' | 'v' | 'rates' | 'momentum';

/** The tensors of a scan by name; w0, w1 and w2 are always there. */
export type ScanTensors<T = TensorInfo> = Partial<Record<TokenName | StateName, T>>;

export interface ScanAttrs {
  /** What the kernel's inputs are. tfjs saves the inputs of a kernel by position, so they have one. */
  inputs: readonly (TokenName | StateName)[];
  /** What it returns behind the output and the tape. */
  returned: readonly StateName[];
  tokens: number;
  program: Int32Array;
  outputTokens: number;
  weightNorm: 'post' | 'pre' | 'none';
  detachNorm: boolean;
  memory: ScanMemory;
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  /** Whether a backward may follow. */
  keepTape: boolean;
}

export interface NewtonSchulzAttrs {
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  epsilon: number;
}
