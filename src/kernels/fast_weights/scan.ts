// The scan's kernel: [output, tape] and what of the final state is asked for. The tape is an empty
// tensor that owns natively what the backward needs; tfjs disposes of it with the graph.
import type { GradConfig, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../../backend/fastweight_backend';
import type { ScanFields } from '../../native/fast_weight_addon';
import type { Handle } from '../../native/tensor_storage_addon';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { runByPosition } from '../run_by_position';
import { filled } from '../sequence/outputs';
import {
  namesOf,
  type ScanAttrs,
  type ScanTensors,
  type StateName,
  scanBackwardKernel,
  scanKernel,
} from './names';

const normEpsilon = 1e-5;
const newtonSchulzEpsilon = 1e-7;

/** The inputs of a call by name. */
function named<T>(inputs: readonly T[], { inputs: names }: ScanAttrs) {
  return Object.fromEntries(names.map((name, at) => [name, inputs[at]])) as ScanTensors<T>;
}

/** `handles` under their names with a suffix, as native code takes them. */
function fields(
  names: readonly string[],
  suffix: string,
  handles: readonly Handle[],
): Record<string, Handle> {
  return Object.fromEntries(names.map((name, at) => [`${name}${suffix}`, handles[at]]));
}

/** The shapes of the weights, [rows, hiddenDim, keyDim] and [rows, valueDim, hiddenDim]. */
function weightShapes({ w0, w1 }: ScanTensors): [w0: number[], w1: number[]] {
  return [(w0 as TensorInfo).shape, (w1 as TensorInfo).shape];
}

function shapeOf(name: StateName, tensors: ScanTensors): number[] {
  const [shape02, shape1] = weightShapes(tensors);
  const shape = name.startsWith('w1') ? shape1 : shape02;
  return namesOf('norms').includes(name) ? shape.slice(0, 2) : shape;
}

function fieldsOf(
  inputs: readonly TensorInfo[],
  attrs: ScanAttrs,
  backend: FastWeightBackend,
  tape: Handle,
): ScanFields {
  const [[rows, hiddenDim, keyDim], [, valueDim]] = weightShapes(named(inputs, attrs));
  const { program, tokens, weightNorm, detachNorm, memory, newtonSchulz, method } = attrs;
  return {
    ...{ rows, tokens, keyDim, hiddenDim, valueDim },
    ...{ program, weightNorm, detachNorm, memory, newtonSchulz, method },
    ...{ normEpsilon, newtonSchulzEpsilon, tape },
    ...fields(
      attrs.inputs,
      '',
      inputs.map((input) => backend.handleOf(input)),
    ),
  };
}

function scan({ inputs, attrs, backend }: KernelCall<TensorInfo[], ScanAttrs>): TensorInfo[] {
  const tensors = named(inputs, attrs);
  const [[rows], [, valueDim]] = weightShapes(tensors);
  const state = attrs.returned.map((name) => shapeOf(name, tensors));
  const shapes = [[rows, attrs.outputTokens, valueDim], [0], ...state];
  return filled(backend, shapes, (output, tape, ...returned) =>
    backend.addon.fastWeightScan({
      ...fieldsOf(inputs, attrs, backend, attrs.keepTape ? tape : 0),
      ...fields(attrs.returned, 'Out', returned),
      output,
    }),
  );
}

/** From the inputs, the tape and the cotangents: gradients of the inputs, in their order. */
function scanBackward({
  inputs,
  attrs,
  backend,
}: KernelCall<TensorInfo[], ScanAttrs>): TensorInfo[] {
  const given = inputs.slice(0, attrs.inputs.length);
  const [tape, outputCotangent, ...cotangents] = inputs
    .slice(given.length)
    .map((tensor) => backend.handleOf(tensor));
  const shapes = given.map(({ shape }) => shape);
  return filled(backend, shapes, (...gradients) =>
    backend.addon.fastWeightScanBackward({
      ...fieldsOf(given, attrs, backend, tape),
      ...fields(attrs.inputs, 'Gradient', gradients),
      ...fields(attrs.returned, 'Cotangent', cotangents),
      outputCotangent,
    }),
  );
}

export const scanKernels: KernelTable = [
  [scanKernel, asKernelFunc(scan)],
  [scanBackwardKernel, asKernelFunc(scanBackward)],
];

export const scanGradient: GradConfig = {
  kernelName: scanKernel,
  saveAllInputs: true,
  outputsToSave: [false, true],
  gradFunc: (dy, saved, untyped) => {
    const attrs = untyped as unknown as ScanAttrs;
    // Saved are the inputs, then the tape. Cotangents come in the order of the outputs.
    const [outputCotangent, , ...cotangents] = dy as Tensor[];
    const inputs = [...saved, outputCotangent, ...cotangents];
    const gradients = runByPosition(scanBackwardKernel, inputs, attrs);
    return Object.fromEntries(gradients.map((gradient, at) => [at, () => gradient]));
  },
};
