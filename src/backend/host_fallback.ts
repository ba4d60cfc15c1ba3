import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import type {
  BackendValues,
  DataId,
  KernelFunc,
  NamedAttrMap,
  NamedTensorInfoMap,
  TensorInfo,
} from '@tensorflow/tfjs-core';
import { backend_util, getKernel, getKernelsForBackend } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from './fastweight_backend';

const calls = new Map<string, number>();
const warned = new Set<string>();

/**
 * How often each kernel ran on the host since the start or the last `resetFallbackCounts()`:
 * what a training step leaves here is what still lacks a native kernel.
 */
export function fallbackCounts(): Record<string, number> {
  return Object.fromEntries(calls);
}

export function resetFallbackCounts(): void {
  calls.clear();
}

/** Names of the kernels that can run on the host: all of tfjs-backend-cpu. */
export function hostKernelNames(): string[] {
  return getKernelsForBackend('cpu').map(({ kernelName }) => kernelName);
}

/** A kernel that runs on the host. */
export function hostKernel(kernelName: string): KernelFunc {
  return ({ inputs, attrs, backend }) =>
    runOnHost(kernelName, inputs, attrs, backend as FastWeightBackend);
}

/**
 * Runs tfjs-backend-cpu's kernel on host copies of the inputs and stores its results natively.
 * A result that is one of the inputs shares that input's memory.
 */
export function runOnHost(
  kernelName: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  backend: FastWeightBackend,
): TensorInfo | TensorInfo[] {
  calls.set(kernelName, (calls.get(kernelName) ?? 0) + 1);
  if (backend.isRemote) warnOnce(kernelName);
  const host = hostBackend();
  const originals = new Map<DataId, TensorInfo>();
  const toHost = (tensor: TensorInfo): TensorInfo => {
    const copy = writeToHost(host, tensor, backend.readSync(tensor.dataId));
    originals.set(copy.dataId, tensor);
    // Some kernels of tfjs-backend-cpu count on getting tensors, which know their rank.
    return Object.assign(copy, { rank: tensor.shape.length });
  };
  const toNative = (result: TensorInfo): TensorInfo => {
    const original = originals.get(result.dataId);
    if (original !== undefined && original.dtype === result.dtype) {
      return backend.alias(original, result.shape);
    }
    return backend.makeTensorInfo(result.shape, result.dtype, host.readSync(result.dataId));
  };
  const results = getKernel(kernelName, 'cpu').kernelFunc({
    inputs: mapTensors(inputs as Inputs, toHost) as NamedTensorInfoMap,
    attrs,
    backend: host,
  });
  return Array.isArray(results) ? results.map(toNative) : toNative(results);
}

function warnOnce(kernelName: string): void {
  if (warned.has(kernelName)) return;
  warned.add(kernelName);
  backend_util.warn(
    `fastweight: the GPU has no kernel ${kernelName}; it runs on the host, between two transfers`,
  );
}

let sharedHostBackend: MathBackendCPU | undefined;

/** A CPU backend of our own: its data ids never meet the engine's. */
function hostBackend(): MathBackendCPU {
  if (sharedHostBackend === undefined) {
    sharedHostBackend = new MathBackendCPU();
    // Else its first tensor advises the user to install a faster backend.
    Object.assign(sharedHostBackend, { firstUse: false });
  }
  return sharedHostBackend;
}

function writeToHost(host: MathBackendCPU, tensor: TensorInfo, values: BackendValues): TensorInfo {
  const { shape, dtype } = tensor;
  if (dtype !== 'complex64') return host.makeTensorInfo(shape, dtype, values);
  const planes = backend_util.splitRealAndImagArrays(values as Float32Array);
  const real = host.makeTensorInfo(shape, 'float32', planes.real);
  const imag = host.makeTensorInfo(shape, 'float32', planes.imag);
  return getKernel('Complex', 'cpu').kernelFunc({
    inputs: { real, imag },
    attrs: {},
    backend: host,
  }) as TensorInfo;
}

type Inputs = TensorInfo | Inputs[] | { [name: string]: Inputs } | null | undefined;

/** Inputs are tensors by name, lists (AddN, Concat) or lists by name (the ragged kernels). */
function mapTensors(inputs: Inputs, map: (tensor: TensorInfo) => TensorInfo): Inputs {
  if (inputs == null) return inputs;
  if (Array.isArray(inputs)) return inputs.map((input) => mapTensors(input, map));
  if ('dataId' in inputs) return map(inputs as TensorInfo);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [name, mapTensors(input, map)]),
  );
}
