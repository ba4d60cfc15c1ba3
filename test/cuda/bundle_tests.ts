// The tests that the bundle for GPU machines runs, on the backend that FASTWEIGHT_TEST_BACKEND names:
// each file in a process of its own, as jest isolates them.
import { spawnSync } from 'node:child_process';
import { runFile } from '../support/harness';

const files: Readonly<Record<string, () => unknown>> = {
  'golden cases': () => require('../golden/native.test'),
  kernels: () => require('../kernels/native_kernels.test'),
  convolutions: () => require('../kernels/convolution.test'),
  'stored activations': () => require('../kernels/activation_storage.test'),
  'a model of stored activations': () => require('../models/activation_storage.test'),
  'gradients of the scan': () => require('../gradients/fast_weights.test'),
  'gradients of sequence operations': () => require('../gradients/sequence.test'),
  'repaired gradients': () => require('../gradients/repairs.test'),
  memory: () => require('../memory/memory.test'),
  'memory of the scan': () => require('../memory/scan_memory.test'),
  'tfjs-core': () => require('../conformance/conformance.test'),
};

/** Runs every file in a child; whether all passed. */
function runAll(): boolean {
  const failed = Object.keys(files).filter((name) => {
    const args = [...process.execArgv, __filename, name];
    return spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0;
  });
  console.log(failed.length === 0 ? 'all passed' : `failed: ${failed.join(', ')}`);
  return failed.length === 0;
}

const [name] = process.argv.slice(2);
if (name === undefined) process.exitCode = runAll() ? 0 : 1;
else void runFile(name, files[name]).then((passed) => process.exit(passed ? 0 : 1));
