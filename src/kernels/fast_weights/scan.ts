// The scan's kernels: [output, tape] and, where asked for, the final weights w0, w1, w2, the main
// weights of weightNorm 'pre', and the momenta. The tape is an empty tensor that owns natively what
// the backward needs; tfjs disposes of it with the graph.
import {
  engine,
  type GradConfig,
  type NamedTensorMap,
  type Tensor,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../../backend/fastweight_backend';
import type { ScanFields } from '../../native/fast_weight_addon';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import {
  momentumScanKernel,
  type ScanAttrs,
  type ScanInputs,
  scanBackwardKernel,
  scanKernel,
} from './names';

const normEpsilon = 1e-5;
const newtonSchulzEpsilon = 1e-7;

type BackwardInputs = ScanInputs & {
  tape: TensorInfo;
  outputCotangent: TensorInfo;
  w0Cotangent?: TensorInfo;
  w1Cotangent?: TensorInfo;
  w2Cotangent?: TensorInfo;
};

function fieldsOf(
  inputs: ScanInputs,
  attrs: ScanAttrs,
  backend: FastWeightBackend,
  tape: TensorInfo | null,
): ScanFields {
  const [rows, tokens, keyDim] = inputs.q.shape;
  return {
    rows,
    tokens,
    keyDim,
    hiddenDim: inputs.w0.shape[1],
    valueDim: inputs.v.shape[2],
    program: attrs.program,
    weightNorm: attrs.weightNorm,
    detachNorm: attrs.detachNorm,
    memory: attrs.memory,
    newtonSchulz: attrs.newtonSchulz,
    method: attrs.method,
    normEpsilon,
    newtonSchulzEpsilon,
    q: backend.handleOf(inputs.q),
    k: backend.handleOf(inputs.k),
    v: backend.handleOf(inputs.v),
    rates: backend.handleOf(inputs.rates),
    momentum: inputs.momentum ? backend.handleOf(inputs.momentum) : 0,
    w0: backend.handleOf(inputs.w0),
    w1: backend.handleOf(inputs.w1),
    w2: backend.handleOf(inputs.w2),
    tape: tape ? backend.handleOf(tape) : 0,
  };
}

/** New tensors shaped like w0, w1, w2, and their handles under names with `suffix`. */
function weightsLike<Suffix extends string>(
  { w0, w1, w2 }: ScanInputs,
  suffix: Suffix,
  allocate: (shape: number[]) => TensorInfo,
  backend: FastWeightBackend,
) {
  const tensors = [w0, w1, w2].map(({ shape }) => allocate(shape));
  const [h0, h1, h2] = tensors.map((tensor) => backend.handleOf(tensor));
  const handles = { [`w0${suffix}`]: h0, [`w1${suffix}`]: h1, [`w2${suffix}`]: h2 };
  return { tensors, handles: handles as Record<`w${'0' | '1' | '2'}${Suffix}`, number> };
}

/** Runs `kernel` with an allocator whose tensors are given back if it throws. */
function allocating<T>(
  backend: FastWeightBackend,
  kernel: (allocate: (shape: number[]) => TensorInfo) => T,
): T {
  const made: TensorInfo[] = [];
  try {
    return kernel((shape) => {
      const tensor = backend.allocate(shape, 'float32');
      made.push(tensor);
      return tensor;
    });
  } catch (error) {
    for (const tensor of made) backend.disposeIntermediate(tensor);
    throw error;
  }
}

function scan({ inputs, attrs, backend }: KernelCall<ScanInputs, ScanAttrs>): TensorInfo[] {
  return allocating(backend, (allocate) => {
    const output = allocate([inputs.q.shape[0], attrs.outputTokens, inputs.v.shape[2]]);
    const tape = allocate([0]);
    const fields = {
      ...fieldsOf(inputs, attrs, backend, attrs.keepTape ? tape : null),
      output: backend.handleOf(output),
    };
    if (!attrs.returnState) {
      backend.addon.fastWeightScan(fields);
      return [output, tape];
    }
    const state = weightsLike(inputs, 'Out', allocate, backend);
    const none = { tensors: [] as TensorInfo[], handles: {} };
    const main =
      attrs.weightNorm === 'pre' ? weightsLike(inputs, 'MainOut', allocate, backend) : none;
    const momenta = inputs.momentum ? weightsLike(inputs, 'MomentumOut', allocate, backend) : none;
    backend.addon.fastWeightScan({
      ...fields,
      ...state.handles,
      ...main.handles,
      ...momenta.handles,
    });
    return [output, tape, ...state.tensors, ...main.tensors, ...momenta.tensors];
  });
}

/** Gradients of q, k, v, rates, w0, w1, w2 and, where there is one, momentum. */
function scanBackward({
  inputs,
  attrs,
  backend,
}: KernelCall<BackwardInputs, ScanAttrs>): TensorInfo[] {
  return allocating(backend, (allocate) => {
    const like = ({ shape }: TensorInfo) => allocate(shape);
    const [q, k, v, rates] = [inputs.q, inputs.k, inputs.v, inputs.rates].map(like);
    const weights = weightsLike(inputs, 'Gradient', allocate, backend);
    const momentum = inputs.momentum ? [like(inputs.momentum)] : [];
    const { w0Cotangent, w1Cotangent, w2Cotangent } = inputs;
    backend.addon.fastWeightScanBackward({
      ...fieldsOf(inputs, attrs, backend, inputs.tape),
      outputCotangent: backend.handleOf(inputs.outputCotangent),
      qGradient: backend.handleOf(q),
      kGradient: backend.handleOf(k),
      vGradient: backend.handleOf(v),
      ratesGradient: backend.handleOf(rates),
      momentumGradient: momentum.length ? backend.handleOf(momentum[0]) : 0,
      w0Cotangent: w0Cotangent ? backend.handleOf(w0Cotangent) : 0,
      w1Cotangent: w1Cotangent ? backend.handleOf(w1Cotangent) : 0,
      w2Cotangent: w2Cotangent ? backend.handleOf(w2Cotangent) : 0,
      ...weights.handles,
    });
    return [q, k, v, rates, ...weights.tensors, ...momentum];
  });
}

function gradientOf(kernelName: string, inputNames: (keyof ScanInputs)[]): GradConfig {
  return {
    kernelName,
    inputsToSave: inputNames,
    outputsToSave: [false, true],
    gradFunc: (dy, saved, attrs) => {
      // Cotangents come in the order of the outputs: output, tape, w0, w1, w2, and what of the
      // state carries no gradient.
      const [outputCotangent, , w0Cotangent, w1Cotangent, w2Cotangent] = dy as Tensor[];
      const inputs: NamedTensorMap = { outputCotangent, tape: saved[inputNames.length] };
      inputNames.forEach((name, at) => {
        inputs[name] = saved[at];
      });
      if (w0Cotangent) Object.assign(inputs, { w0Cotangent, w1Cotangent, w2Cotangent });
      const gradients = engine().runKernel(scanBackwardKernel, inputs, attrs) as Tensor[];
      return Object.fromEntries(inputNames.map((name, at) => [name, () => gradients[at]]));
    },
  };
}

const inputNames: (keyof ScanInputs)[] = ['q', 'k', 'v', 'rates', 'w0', 'w1', 'w2'];

export const scanKernels: KernelTable = [
  [scanKernel, asKernelFunc(scan)],
  [momentumScanKernel, asKernelFunc(scan)],
  [scanBackwardKernel, asKernelFunc(scanBackward)],
];

export const scanGradients: GradConfig[] = [
  gradientOf(scanKernel, inputNames),
  gradientOf(momentumScanKernel, [...inputNames, 'momentum']),
];
