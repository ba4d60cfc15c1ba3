import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { runOnHost } from '../backend/host_fallback';

/** What a kernel is called with: the tensors by name, the attributes, the backend. */
export interface KernelCall<Inputs, Attrs = undefined> {
  inputs: Inputs;
  attrs: Attrs;
  backend: FastWeightBackend;
}

type Kernel<Inputs, Attrs> = (call: KernelCall<Inputs, Attrs>) => TensorInfo | TensorInfo[];

/** A table of kernels by name. */
export type KernelTable = [name: string, kernel: KernelFunc][];

/** Gives a typed kernel the type under which tfjs registers kernels. */
export function asKernelFunc<Inputs, Attrs>(kernel: Kernel<Inputs, Attrs>): KernelFunc {
  return kernel as unknown as KernelFunc;
}

/**
 * A native kernel for the calls it serves; all others, such as those of rare dtypes, run on the
 * host. `kernel` returns null for a call that it does not serve.
 */
export function kernelOrHost<Inputs, Attrs>(
  name: string,
  kernel: (call: KernelCall<Inputs, Attrs>) => TensorInfo | TensorInfo[] | null,
): KernelFunc {
  return (call) =>
    kernel(call as unknown as KernelCall<Inputs, Attrs>) ??
    runOnHost(name, call.inputs, call.attrs, call.backend as FastWeightBackend);
}
