import { engine, type Tensor } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';

/** Items of a tensor: which to read, where to write them, how many. */
export type Range = readonly [from: number, to: number, count: number];

/**
 * Copies items between float32 tensors, in place: `to` must be the only tensor of its memory, see
 * {@link owned}.
 *
 * @param floats of an item
 */
export function copyRanges(
  backend: FastWeightBackend,
  from: Tensor,
  to: Tensor,
  floats: number,
  ranges: readonly Range[],
): void {
  const flat = Int32Array.from(ranges.flat());
  backend.addon.copyRanges(backend.handleOf(from), backend.handleOf(to), floats, flat);
}

/**
 * The tensor itself where no other has its memory, otherwise a copy of it that may be changed in
 * place, and the tensor is disposed of.
 */
export function owned<T extends Tensor>(backend: FastWeightBackend, tensor: T): T {
  backend.handleOf(tensor); // brings it here from another backend
  if (backend.refCount(tensor.dataId) === 1) return tensor;
  const copy = engine().makeTensorFromTensorInfo(backend.copy(tensor)) as T;
  tensor.dispose();
  return copy;
}
