import { engine, type GradConfig, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { type NewtonSchulzAttrs, newtonSchulzBackwardKernel, newtonSchulzKernel } from './names';

type Inputs = { d: TensorInfo; outCotangent?: TensorInfo };

/** The iteration's result or, with a cotangent of it, the gradient of d. */
function newtonSchulz({
  inputs: { d, outCotangent },
  attrs,
  backend,
}: KernelCall<Inputs, NewtonSchulzAttrs>): TensorInfo {
  const [matrices, rows, columns] = d.shape;
  const result = backend.allocate(d.shape, 'float32');
  const target = backend.handleOf(result);
  try {
    backend.addon.newtonSchulz({
      matrices,
      rows,
      columns,
      newtonSchulz: attrs.newtonSchulz,
      method: attrs.method,
      epsilon: attrs.epsilon,
      d: backend.handleOf(d),
      ...(outCotangent
        ? { outCotangent: backend.handleOf(outCotangent), dCotangent: target }
        : { out: target }),
    });
  } catch (error) {
    backend.disposeIntermediate(result);
    throw error;
  }
  return result;
}

export const newtonSchulzKernels: KernelTable = [
  [newtonSchulzKernel, asKernelFunc(newtonSchulz)],
  [newtonSchulzBackwardKernel, asKernelFunc(newtonSchulz)],
];

export const newtonSchulzGradient: GradConfig = {
  kernelName: newtonSchulzKernel,
  inputsToSave: ['d'],
  gradFunc: (dy, [d], attrs) => ({
    d: () =>
      engine().runKernel(
        newtonSchulzBackwardKernel,
        { d, outCotangent: dy as Tensor },
        attrs,
      ) as Tensor,
  }),
};
