// Runs the golden cases of operations and models on the native CPU device and prints JSON:
// the instruction set, each case's fault ('' where it passed), and a hash of every computed bit. Run
// with FASTWEIGHT_ISA or FASTWEIGHT_NUM_THREADS set.
import '../../src';
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import { instructionSets } from '../../src';
import type { Implementation } from '../../src/reference';
import { findCases, loadCase } from '../../src/verify/cases';
import { nativeImplementation } from '../../src/verify/native_implementation';
import { runCase } from '../../src/verify/run_case';

const hash = createHash('sha256');

/** An operation whose results are hashed. */
function hashed<Args extends unknown[], Result>(
  operation: (...args: Args) => Result,
): (...args: Args) => Result {
  return (...args) => {
    const result = operation(...args);
    const tensors = tf.tensor_util.getTensorsInContainer(result as tf.TensorContainer);
    for (const tensor of tensors) hash.update(tensor.dataSync());
    return result;
  };
}

async function main(folder: string): Promise<void> {
  await tf.setBackend('fastweight-cpu');
  const implementation: Implementation = {
    fastWeightScan: hashed(nativeImplementation.fastWeightScan),
    newtonSchulz: hashed(nativeImplementation.newtonSchulz),
    evaluateLanguageModel: hashed(nativeImplementation.evaluateLanguageModel),
    evaluateVideoLayer: hashed(nativeImplementation.evaluateVideoLayer),
    evaluateViewSynthesis: hashed(nativeImplementation.evaluateViewSynthesis),
  };
  const faults: [name: string, message: string][] = [];
  for (const file of findCases(folder)) {
    const { name, message } = await runCase(loadCase(file), implementation);
    faults.push([name, message]);
  }
  const { inUse } = instructionSets();
  process.stdout.write(JSON.stringify({ inUse, faults, hash: hash.digest('hex') }));
}

void main(process.argv[2]);
