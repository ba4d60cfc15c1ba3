import { matMul, type Tensor3D, tidy } from '@tensorflow/tfjs-core';
import { swiglu } from './activations';
import { fastWeightScanOutput } from './fast_weight_scan';
import { type FastWeightStateParts, type FastWeights, stateOf } from './fast_weight_state';
import { assertBackend, assertTensor } from './validate';

/**
 * With fewer tokens, three products are faster than a scan, which first brings w0 and w2 into one
 * matrix; with more, a scan needs no memory for all tokens' hidden layers.
 */
const tokensOfScan = 64;

/**
 * Reads fast weights: f(q) = w1 (silu(w0 q) * (w2 q)). Differentiable in q and in the weights.
 *
 * @param q [rows, tokens, keyDim]
 * @param weights weights, or a state, whose `weights` are read
 * @returns [rows, tokens, valueDim]
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT, ERR_OUT_OF_MEMORY,
 * ERR_DEVICE_UNAVAILABLE on a backend that is not ours
 */
export function fastWeightApply(
  q: Tensor3D,
  weights: FastWeights | FastWeightStateParts,
): Tensor3D {
  assertBackend('fastWeightApply');
  const state = stateOf(weights);
  const { w0, w1, w2 } = state.weights;
  assertTensor('q', q, [w0.shape[0], 'tokens', w0.shape[2]]);
  const tokens = q.shape[1];
  if (tokens >= tokensOfScan) {
    const program = [{ kind: 'apply', start: 0, end: tokens }] as const;
    return fastWeightScanOutput({ q }, state, program, { weightNorm: 'none' });
  }
  return tidy(() => {
    const hidden = swiglu(matMul(q, w0, false, true), matMul(q, w2, false, true));
    return matMul(hidden, w1, false, true) as Tensor3D;
  });
}
