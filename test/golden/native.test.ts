import '../../src';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

import { findCases, loadCase } from '../../src/verify/cases';
import { nativeImplementation } from '../../src/verify/native_implementation';
import { runCase } from '../../src/verify/run_case';
import { nativeBackend } from '../support/native_backend';

const files = findCases(path.join(__dirname, 'cases'));

beforeAll(async () => {
  await tf.setBackend(nativeBackend);
});

test('every case is there', () => {
  expect(files).toHaveLength(26);
});

test.each(['store', 'activations', 'recompute'] as const)(
  'a backward from what is kept by %s keeps the contract on every scan',
  async (memory) => {
    const implementation: typeof nativeImplementation = {
      ...nativeImplementation,
      fastWeightScan: (inputs, weights, program, options) =>
        nativeImplementation.fastWeightScan(inputs, weights, program, { ...options, memory }),
    };
    const scans = files.filter((file) => path.basename(file).startsWith('scan_'));
    expect(scans).toHaveLength(15);
    for (const file of scans) {
      const report = await runCase(loadCase(file), implementation);
      expect([report.name, report.message]).toEqual([report.name, '']);
    }
  },
);

test.each(files.map((file) => [path.basename(file, '.safetensors'), file]))(
  'the native CPU device keeps the contract on %s',
  async (_name, file) => {
    const before = tf.memory() as tf.MemoryInfo & { nativeBytes: number };
    const report = await runCase(loadCase(file), nativeImplementation);
    expect(report.message).toBe('');
    expect(report.status).toBe('passed');
    expect(report.comparisons.length).toBeGreaterThan(1);
    expect(tf.memory()).toMatchObject({
      numTensors: before.numTensors,
      nativeBytes: before.nativeBytes,
    });
  },
);
