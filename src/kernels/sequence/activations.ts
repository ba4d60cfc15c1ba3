import {
  type GradConfig,
  type NamedTensorMap,
  type Tensor,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { type Activation, activations } from '../../native/sequence_addon';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { type GradientTable, runKernels } from './gradient';
import { filled, optionalHandle } from './outputs';

export const activate = 'Activate';
/** As `activate`, times `up`; a kernel of its own, since tfjs cannot save an absent input. */
export const activateGate = 'ActivateGate';
const activateBackward = 'ActivateBackward';

export interface ActivateAttrs {
  activation: Activation;
  /** Added to x before the activation. */
  offset: number;
  /** Whether the result is stored as bfloat16. */
  stored: boolean;
}

/** y = activation(x + offset) * up, all of one shape; `up` may be absent. */
type Inputs = { x: TensorInfo; up?: TensorInfo };
type BackwardInputs = Inputs & { yCotangent: TensorInfo };

/** The number of the activation, count, offset. */
function options(x: TensorInfo, { activation, offset }: ActivateAttrs) {
  return [activations[activation], util.sizeFromShape(x.shape), offset] as const;
}

/** -> y */
function forward({ inputs, attrs, backend }: KernelCall<Inputs, ActivateAttrs>): TensorInfo {
  const { x, up } = inputs;
  const [y] = filled(
    backend,
    [x.shape],
    (y) =>
      backend.addon.activate(
        backend.handleOf(x),
        optionalHandle(backend, up),
        y,
        ...options(x, attrs),
      ),
    attrs.stored,
  );
  return y;
}

/** -> the cotangents of x and, where there is one, up */
function backward({
  inputs: { x, up, yCotangent },
  attrs,
  backend,
}: KernelCall<BackwardInputs, ActivateAttrs>): TensorInfo[] {
  const shapes = up === undefined ? [x.shape] : [x.shape, x.shape];
  return filled(backend, shapes, (dx, dUp = 0) =>
    backend.addon.activateBackward(
      backend.handleOf(x),
      optionalHandle(backend, up),
      backend.handleOf(yCotangent),
      dx,
      dUp,
      ...options(x, attrs),
    ),
  );
}

function gradient(kernelName: string, inputsToSave: string[]): GradConfig {
  return {
    kernelName,
    inputsToSave,
    gradFunc: (cotangent, [x, up], attrs) => {
      const yCotangent = cotangent as Tensor;
      const inputs: NamedTensorMap = up === undefined ? { x, yCotangent } : { x, up, yCotangent };
      const [dx, dUp] = runKernels(activateBackward, inputs, attrs);
      return { x: () => dx, up: () => dUp };
    },
  };
}

export const activationKernels: KernelTable = [
  [activate, asKernelFunc(forward)],
  [activateGate, asKernelFunc(forward)],
  [activateBackward, asKernelFunc(backward)],
];

export const activationGradients: GradientTable = [
  gradient(activate, ['x']),
  gradient(activateGate, ['x', 'up']),
];
