import { type KernelFunc, registerBackend, registerKernel } from '@tensorflow/tfjs-core';
import { loadAddon } from '../native/addon';
import { FastWeightBackend } from './fastweight_backend';
import { hostKernel, hostKernelNames } from './host_fallback';

/** Name of the backend on the native CPU device. */
export const cpuBackendName = 'fastweight-cpu';

// Above every backend of tfjs itself (the highest is 3), so that `await tf.ready()` picks it.
const cpuPriority = 10;

/**
 * Registers the backend with its native kernels, and with the host's kernel wherever there is no
 * native one. Where the addon does not load, tfjs logs the reason and picks another backend.
 */
export function registerCpuBackend(nativeKernels: ReadonlyMap<string, KernelFunc>): void {
  registerBackend(cpuBackendName, () => new FastWeightBackend(loadAddon()), cpuPriority);
  for (const kernelName of new Set([...nativeKernels.keys(), ...hostKernelNames()])) {
    const kernelFunc = nativeKernels.get(kernelName) ?? hostKernel(kernelName);
    registerKernel({ kernelName, backendName: cpuBackendName, kernelFunc });
  }
}
