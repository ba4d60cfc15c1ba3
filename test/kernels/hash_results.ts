// Prints a hash of the results of all kernel cases and a few long sums; run with
// FASTWEIGHT_NUM_THREADS set.
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import '../../src/kernels/register';
import { kernelCases } from './kernel_cases';

void tf.setBackend('fastweight-cpu');
const hash = createHash('sha256');
for (const [, run] of kernelCases) {
  const result = run();
  for (const tensor of Array.isArray(result) ? result : [result]) hash.update(tensor.dataSync());
}
process.stdout.write(hash.digest('hex'));
