import { dispose, type Tensor3D } from '@tensorflow/tfjs-core';

/** Weights of f(x) = w1 (silu(w0 x) * (w2 x)), or tensors of the same shapes. */
export interface FastWeights {
  /** [rows, hiddenDim, keyDim] */
  w0: Tensor3D;
  /** [rows, valueDim, hiddenDim] */
  w1: Tensor3D;
  /** [rows, hiddenDim, keyDim] */
  w2: Tensor3D;
}

/** The fast weights that a scan leaves behind. Its tensors are the caller's; `dispose` frees all. */
export class FastWeightState {
  constructor(
    /** The weights that f uses. They carry gradient. */
    readonly weights: FastWeights,
    /** The raw weights of weightNorm 'pre', otherwise `weights`. They carry no gradient of their own. */
    readonly mainWeights: FastWeights,
    /** The momenta, where the scan had momentum. They carry no gradient. */
    readonly momenta?: FastWeights,
  ) {}

  dispose(): void {
    for (const set of [this.weights, this.mainWeights, this.momenta]) {
      if (set !== undefined) dispose([set.w0, set.w1, set.w2]);
    }
  }
}
