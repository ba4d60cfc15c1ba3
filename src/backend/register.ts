import {
  copyRegisteredKernels,
  engine,
  type KernelFunc,
  registerBackend,
  registerKernel,
} from '@tensorflow/tfjs-core';
import { loadAddon } from '../native/addon';
import { hasCudaLibrary, openCudaDevice } from '../native/cuda_device';
import { deviceChoice } from '../native/device_choice';
import { expected } from '../native/errors';
import { FastWeightBackend } from './fastweight_backend';
import { hostKernel, hostKernelNames } from './host_fallback';
import { applyMatmulPrecision } from './matmul_precision';

/** Name of the backend on the native CPU device. */
export const cpuBackendName = 'fastweight-cpu';
/** Name of the backend on the GPU that FASTWEIGHT_DEVICE names, else the first. */
export const cudaBackendName = 'fastweight-cuda';

// Above every backend of tfjs itself (the highest is 3), so that `await tf.ready()` picks one of
// ours. A CUDA backend that was not built comes last, so that tfjs starts and reports it only where
// it is asked for.
const priorities = { cuda: 20, cpu: 10, absent: -1 } as const;

/**
 * Registers both backends with the native kernels, and with the host's kernel wherever there is no
 * native one. Where one does not start, tfjs logs the reason and picks the next.
 */
export function registerBackends(nativeKernels: ReadonlyMap<string, KernelFunc>): void {
  const { kind, index } = deviceChoice(process.env.FASTWEIGHT_DEVICE);
  const hasCuda = kind === 'cuda' || (kind === 'auto' && hasCudaLibrary());
  registerBackend(
    cpuBackendName,
    () => new FastWeightBackend(loadAddon().openCpuDevice()),
    priorities.cpu,
  );
  registerBackend(
    cudaBackendName,
    () => startCuda(index),
    hasCuda ? priorities.cuda : priorities.absent,
  );
  for (const kernelName of new Set([...nativeKernels.keys(), ...hostKernelNames()])) {
    const kernelFunc = nativeKernels.get(kernelName) ?? hostKernel(kernelName);
    for (const backendName of [cpuBackendName, cudaBackendName]) {
      registerKernel({ kernelName, backendName, kernelFunc });
    }
  }
}

function startCuda(index: number): FastWeightBackend {
  const device = openCudaDevice(index);
  applyMatmulPrecision(device);
  return new FastWeightBackend(device, true);
}

/**
 * The name of the backend on GPU `index`, registered where it was not yet:
 * `await tf.setBackend(cudaBackend(1))`.
 *
 * @throws FastWeightError ERR_RANGE for an index that is no whole number of at least 0
 */
export function cudaBackend(index: number): string {
  if (!Number.isSafeInteger(index) || index < 0) {
    throw expected('ERR_RANGE', 'a whole number of at least 0', 'index', String(index));
  }
  const { kind, index: chosen } = deviceChoice(process.env.FASTWEIGHT_DEVICE);
  if (index === (kind === 'cuda' ? chosen : 0)) return cudaBackendName;
  const name = `${cudaBackendName}:${index}`;
  if (!Object.hasOwn(engine().registryFactory, name)) {
    registerBackend(name, () => startCuda(index), priorities.absent);
    copyRegisteredKernels(cudaBackendName, name);
  }
  return name;
}
