// How kernels over any number of tensors take them: tfjs names a kernel's inputs, here by position.
import { type NamedTensorMap, type Tensor, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../../backend/fastweight_backend';

/** Inputs of a kernel: the tensors of all rows, row by row. */
export function inputsOf(rows: readonly (readonly Tensor[])[]): NamedTensorMap {
  return { ...rows.flat() } as unknown as NamedTensorMap;
}

/** The table that native code takes: `sizes` of a row's first tensor, then the row's handles. */
export function tensorTable(
  backend: FastWeightBackend,
  inputs: Record<string, TensorInfo>,
  tensorsPerRow: number,
  sizes: (first: TensorInfo, row: number) => readonly number[] = countOf,
): Float64Array {
  // Whole numbers are the keys of an object in rising order.
  const tensors = Object.values(inputs);
  const table: number[] = [];
  tensors.forEach((tensor, at) => {
    if (at % tensorsPerRow === 0) table.push(...sizes(tensor, at / tensorsPerRow));
    table.push(backend.handleOf(tensor));
  });
  return Float64Array.from(table);
}

function countOf({ shape }: TensorInfo): number[] {
  return [util.sizeFromShape(shape)];
}
