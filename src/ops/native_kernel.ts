// Runs kernels that only this package's backends have. Importing it registers them.
import '../kernels/register';
import {
  engine,
  getBackend,
  type NamedAttrMap,
  type NamedTensorMap,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { cpuBackendName } from '../backend/register';
import { expected } from '../native/errors';

/** The active backend is one of this package. Throws ERR_DEVICE_UNAVAILABLE. */
export function assertNativeBackend(operation: string): void {
  const backend = getBackend();
  if (backend === cpuBackendName) return;
  throw expected(
    'ERR_DEVICE_UNAVAILABLE',
    `backend ${cpuBackendName}`,
    operation,
    backend === undefined ? 'none' : backend,
    `Call await tf.setBackend('${cpuBackendName}') first, or use the reference's ${operation}, which runs on any backend.`,
  );
}

/** Runs a native kernel and returns its first output; what others it has serve its gradient. */
export function runNativeKernel<T extends Tensor>(
  kernelName: string,
  inputs: NamedTensorMap,
  attrs: object = {},
): T {
  const outputs: Tensor | Tensor[] = engine().runKernel(kernelName, inputs, attrs as NamedAttrMap);
  if (!Array.isArray(outputs)) return outputs as T;
  const [output, ...auxiliary] = outputs;
  for (const tensor of auxiliary) tensor.dispose();
  return output as T;
}
