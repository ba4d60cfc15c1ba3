import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../../backend/fastweight_backend';
import type { Handle } from '../../native/tensor_storage_addon';

/** New float32 tensors of these shapes, filled by `fill`; given back where it throws. */
export function filled(
  backend: FastWeightBackend,
  shapes: readonly number[][],
  fill: (...handles: Handle[]) => void,
): TensorInfo[] {
  const dtype: DataType = 'float32';
  const outputs: TensorInfo[] = [];
  try {
    for (const shape of shapes) outputs.push(backend.allocate(shape, dtype));
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
