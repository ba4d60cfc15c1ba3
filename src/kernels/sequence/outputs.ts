import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../../backend/fastweight_backend';
import type { Handle } from '../../native/tensor_storage_addon';

/**
 * New float32 tensors of these shapes, filled by `fill`; given back where it throws.
 *
 * @param stored whether the first is stored as bfloat16
 */
export function filled(
  backend: FastWeightBackend,
  shapes: readonly number[][],
  fill: (...handles: Handle[]) => void,
  stored = false,
): TensorInfo[] {
  const outputs: TensorInfo[] = [];
  try {
    shapes.forEach((shape, at) => {
      const isStored = stored && at === 0;
      outputs.push(isStored ? backend.allocateBfloat16(shape) : backend.allocate(shape, 'float32'));
    });
    fill(...outputs.map((output) => backend.handleOf(output)));
  } catch (error) {
    for (const output of outputs) backend.disposeIntermediate(output);
    throw error;
  }
  return outputs;
}

/** The handle of a tensor that may be absent. */
export function optionalHandle(backend: FastWeightBackend, tensor?: TensorInfo): Handle {
  return tensor === undefined ? 0 : backend.handleOf(tensor);
}
