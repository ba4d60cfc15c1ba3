import '@tensorflow/tfjs-backend-cpu';
import '../kernels/register';
import { cpuBackendName, cudaBackendName } from '../backend/register';
import { type Implementation, referenceImplementation } from '../reference';
import { nativeImplementation } from '../verify/native_implementation';

/** What `fastweight verify --backend NAME` checks. */
export interface VerifyTarget {
  /** The tfjs backend that the implementation runs on. */
  readonly backend: string;
  readonly implementation: Implementation;
}

export const verifyTargets: ReadonlyMap<string, VerifyTarget> = new Map([
  [cpuBackendName, { backend: cpuBackendName, implementation: nativeImplementation }],
  [cudaBackendName, { backend: cudaBackendName, implementation: nativeImplementation }],
  ['reference', { backend: 'cpu', implementation: referenceImplementation }],
]);

export const defaultVerifyTarget = cpuBackendName;
