// Kernels that compute nothing: tensors that share the memory of others, and the parts of complex
// ones. Those have memory of their own: tfjs's engine keeps no count of tensors inside a tensor.
import { type ReshapeAttrs, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from './kernel';

type Unary<Attrs = undefined> = KernelCall<{ x: TensorInfo }, Attrs>;

function identity({ inputs, backend }: Unary): TensorInfo {
  return backend.alias(inputs.x);
}

function reshape({ inputs: { x }, attrs, backend }: Unary<ReshapeAttrs>): TensorInfo {
  const size = util.sizeFromShape(x.shape);
  const shape = util.inferFromImplicitShape(attrs.shape, size);
  util.assert(
    util.sizeFromShape(shape) === size,
    () => `Expected ${size} elements, those of shape [${x.shape}], for shape [${shape}]`,
  );
  return backend.alias(x, shape);
}

function expandDims({
  inputs: { input },
  attrs,
  backend,
}: KernelCall<{ input: TensorInfo }, { dim: number }>): TensorInfo {
  const rank = input.shape.length;
  util.assert(
    attrs.dim >= -(rank + 1) && attrs.dim <= rank,
    () => `Expected an axis in [${-(rank + 1)}, ${rank}] for axis but got ${attrs.dim}`,
  );
  const at = attrs.dim < 0 ? rank + attrs.dim + 1 : attrs.dim;
  return backend.alias(input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)]);
}

function complex({
  inputs: { real, imag },
  backend,
}: KernelCall<{ real: TensorInfo; imag: TensorInfo }>): TensorInfo {
  return backend.makeComplex(backend.copy(real), backend.copy(imag));
}

function realPart({ inputs, backend }: KernelCall<{ input: TensorInfo }>): TensorInfo {
  return backend.copy({ ...backend.partsOf(inputs.input).real, shape: inputs.input.shape });
}

function imagPart({ inputs, backend }: KernelCall<{ input: TensorInfo }>): TensorInfo {
  return backend.copy({ ...backend.partsOf(inputs.input).imag, shape: inputs.input.shape });
}

export const identityKernels: KernelTable = [
  ['Identity', asKernelFunc(identity)],
  ['Reshape', asKernelFunc(reshape)],
  ['ExpandDims', asKernelFunc(expandDims)],
  ['Complex', asKernelFunc(complex)],
  ['Real', asKernelFunc(realPart)],
  ['Imag', asKernelFunc(imagPart)],
];
