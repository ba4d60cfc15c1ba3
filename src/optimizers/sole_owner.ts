import { engine, type Variable } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { gatherStrided } from '../kernels/layout';

/**
 * Gives a variable memory that no other tensor has, so that it can be changed in place: a clone of
 * it, or a tensor saved for a gradient, shares its memory until then.
 */
export function ownMemory(backend: FastWeightBackend, variable: Variable): void {
  backend.handleOf(variable); // brings it here from another backend
  if (backend.refCount(variable.dataId) === 1) return;
  const { size, shape } = variable;
  const copy = gatherStrided(backend, variable, shape, { sizes: [size], fromStrides: [1] });
  const tensor = engine().makeTensorFromTensorInfo(copy);
  variable.assign(tensor);
  tensor.dispose();
}
