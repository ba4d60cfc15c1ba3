// Two-dimensional convolution, with a bias and an activation in the same pass, and its gradients;
// other layouts than NHWC and empty tensors run on the host.
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import type { Handle } from '../native/tensor_storage_addon';
import {
  type Epilogue,
  type FusedAttrs,
  type FusedInputs,
  fusedEpilogue,
  withEpilogue,
} from './epilogue';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';

interface Attrs {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  dataFormat: 'NHWC' | 'NCHW';
  dilations?: [number, number] | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];
type Product = 'convolve' | 'convolveInputBackward' | 'convolveFilterBackward';

/** Runs `product` on two tensors; null where native code does not serve the call. */
function convolution(
  backend: FastWeightBackend,
  product: Product,
  operands: [TensorInfo, TensorInfo],
  inShape: number[],
  filterShape: number[],
  { strides, pad, dataFormat, dilations = 1, dimRoundingMode }: Attrs,
  epilogue: Epilogue = {},
): TensorInfo | null {
  if (dataFormat !== 'NHWC' || operands.some(({ dtype }) => dtype !== 'float32')) return null;
  const info = backend_util.computeConv2DInfo(
    inShape as Shape4D,
    filterShape as Shape4D,
    strides,
    dilations,
    pad,
    dimRoundingMode,
  );
  const sizes = [
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.outChannels,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.dilationHeight,
    info.dilationWidth,
  ];
  const { top, left } = info.padInfo;
  const isServed = sizes.every((size) => size >= 1) && top >= 0 && left >= 0;
  if (!isServed || filterShape[2] !== info.inChannels) return null;
  const shapes: Record<Product, number[][]> = {
    convolve: [inShape, filterShape, info.outShape],
    convolveInputBackward: [info.outShape, filterShape, inShape],
    convolveFilterBackward: [inShape, info.outShape, filterShape],
  };
  const [first, second, result] = shapes[product];
  // tfjs lets a transposed convolution have an output whose size does not match its input's.
  const matches = [first, second].every((shape, at) => util.arraysEqual(shape, operands[at].shape));
  if (!matches) return null;
  const handles = operands.map((tensor) => backend.handleOf(tensor)) as [Handle, Handle];
  const numbers = [...sizes, top, left];
  backend.addon.layout.set(numbers);
  return withEpilogue(backend, epilogue, info.outChannels, numbers.length, (bias, slopes) =>
    backend.adopt(backend.addon[product](...handles, bias, slopes), result, 'float32'),
  );
}

function conv2D({
  inputs: { x, filter },
  attrs,
  backend,
}: KernelCall<{ x: TensorInfo; filter: TensorInfo }, Attrs>) {
  return convolution(backend, 'convolve', [x, filter], x.shape, filter.shape, attrs);
}

function fusedConv2D({
  inputs,
  attrs,
  backend,
}: KernelCall<{ x: TensorInfo; filter: TensorInfo } & FusedInputs, Attrs & FusedAttrs>) {
  const { x, filter } = inputs;
  const epilogue = fusedEpilogue(inputs, attrs, filter.shape[3]);
  if (epilogue === null) return null;
  return convolution(backend, 'convolve', [x, filter], x.shape, filter.shape, attrs, epilogue);
}

function inputBackward({
  inputs: { dy, filter },
  attrs,
  backend,
}: KernelCall<{ dy: TensorInfo; filter: TensorInfo }, Attrs & { inputShape: number[] }>) {
  const operands: [TensorInfo, TensorInfo] = [dy, filter];
  return convolution(
    backend,
    'convolveInputBackward',
    operands,
    attrs.inputShape,
    filter.shape,
    attrs,
  );
}

function filterBackward({
  inputs: { x, dy },
  attrs,
  backend,
}: KernelCall<{ x: TensorInfo; dy: TensorInfo }, Attrs & { filterShape: number[] }>) {
  const { filterShape } = attrs;
  return convolution(backend, 'convolveFilterBackward', [x, dy], x.shape, filterShape, attrs);
}

export const convolutionKernels: KernelTable = [
  ['Conv2D', kernelOrHost('Conv2D', conv2D)],
  ['FusedConv2D', kernelOrHost('FusedConv2D', fusedConv2D)],
  ['Conv2DBackpropInput', kernelOrHost('Conv2DBackpropInput', inputBackward)],
  ['Conv2DBackpropFilter', kernelOrHost('Conv2DBackpropFilter', filterBackward)],
];
