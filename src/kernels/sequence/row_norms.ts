import {
  type GradConfig,
  type NamedTensorMap,
  type Tensor,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { type RowNorm, rowNorms } from '../../native/sequence_addon';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { type GradientTable, runKernels } from './gradient';
import { filled, optionalHandle } from './outputs';

/** A kernel for each set of inputs, since tfjs cannot save an input that may be absent. */
export const normaliseRows = 'NormaliseRows';
export const normaliseRowsWeighted = 'NormaliseRowsWeighted';
export const normaliseRowsBiased = 'NormaliseRowsBiased';
const normaliseRowsBackward = 'NormaliseRowsBackward';

export interface NormaliseRowsAttrs {
  norm: RowNorm;
  epsilon: number;
  /** Whether the result is stored as bfloat16. */
  stored: boolean;
}

/** x [..., columns]; weight, bias [columns], bias only beside a weight */
type Inputs = { x: TensorInfo; weight?: TensorInfo; bias?: TensorInfo };
type BackwardInputs = { x: TensorInfo; weight?: TensorInfo; yCotangent: TensorInfo };
type BackwardAttrs = NormaliseRowsAttrs & { withBias: boolean };

/** The number of the norm, rows, columns, epsilon. */
function options(x: TensorInfo, { norm, epsilon }: NormaliseRowsAttrs) {
  const columns = x.shape[x.shape.length - 1];
  const rows = columns === 0 ? 0 : util.sizeFromShape(x.shape) / columns;
  return [rowNorms[norm], rows, columns, epsilon] as const;
}

/** -> y, shaped as x */
function forward({ inputs, attrs, backend }: KernelCall<Inputs, NormaliseRowsAttrs>): TensorInfo {
  const { x, weight, bias } = inputs;
  const [y] = filled(
    backend,
    [x.shape],
    (y) =>
      backend.addon.normaliseRows(
        backend.handleOf(x),
        optionalHandle(backend, weight),
        optionalHandle(backend, bias),
        y,
        ...options(x, attrs),
      ),
    attrs.stored,
  );
  return y;
}

/** -> the cotangents of x, of weight where there is one, of bias where there is one */
function backward({
  inputs: { x, weight, yCotangent },
  attrs,
  backend,
}: KernelCall<BackwardInputs, BackwardAttrs>): TensorInfo[] {
  const parameter = [x.shape[x.shape.length - 1]];
  const shapes = [x.shape];
  if (weight !== undefined) shapes.push(parameter);
  if (attrs.withBias) shapes.push(parameter);
  return filled(backend, shapes, (dx, dWeight = 0, dBias = 0) =>
    backend.addon.normaliseRowsBackward(
      backend.handleOf(x),
      optionalHandle(backend, weight),
      backend.handleOf(yCotangent),
      dx,
      dWeight,
      dBias,
      ...options(x, attrs),
    ),
  );
}

function gradient(kernelName: string, withWeight: boolean, withBias: boolean): GradConfig {
  return {
    kernelName,
    inputsToSave: withWeight ? ['x', 'weight'] : ['x'],
    gradFunc: (cotangent, [x, weight], attrs) => {
      const yCotangent = cotangent as Tensor;
      const inputs: NamedTensorMap = withWeight ? { x, weight, yCotangent } : { x, yCotangent };
      const [dx, dWeight, dBias] = runKernels(normaliseRowsBackward, inputs, {
        ...attrs,
        withBias,
      });
      return { x: () => dx, weight: () => dWeight, bias: () => dBias };
    },
  };
}

export const rowNormKernels: KernelTable = [
  [normaliseRows, asKernelFunc(forward)],
  [normaliseRowsWeighted, asKernelFunc(forward)],
  [normaliseRowsBiased, asKernelFunc(forward)],
  [normaliseRowsBackward, asKernelFunc(backward)],
];

export const rowNormGradients: GradientTable = [
  gradient(normaliseRows, false, false),
  gradient(normaliseRowsWeighted, true, false),
  gradient(normaliseRowsBiased, true, true),
];
