// The tests that the bundle for GPU machines runs, on the backend that FASTWEIGHT_TEST_BACKEND names.
import { runFiles } from '../support/harness';

const files = {
  'golden cases': () => require('../golden/native.test'),
  kernels: () => require('../kernels/native_kernels.test'),
  convolutions: () => require('../kernels/convolution.test'),
  'gradients of the scan': () => require('../gradients/fast_weights.test'),
  'gradients of sequence operations': () => require('../gradients/sequence.test'),
  'repaired gradients': () => require('../gradients/repairs.test'),
  memory: () => require('../memory/memory.test'),
  'memory of scans': () => require('../memory/scan_memory.test'),
  'tfjs-core': () => require('../conformance/conformance.test'),
};

void runFiles(files).then((code) => process.exit(code));
