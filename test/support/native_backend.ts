import '../../src/kernels/register';
import { findBackend } from '@tensorflow/tfjs-core';

/** The backend under test: FASTWEIGHT_TEST_BACKEND, else the CPU's. */
export const nativeBackend = process.env.FASTWEIGHT_TEST_BACKEND ?? 'fastweight-cpu';

// tfjs would go on with another backend, and the tests would say nothing of this one.
if (!findBackend(nativeBackend)) {
  throw new Error(`Expected a backend that starts but got '${nativeBackend}'`);
}
