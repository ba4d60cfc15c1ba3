import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

import { referenceImplementation } from '../../src/reference';
import { findCases, loadCase } from '../../src/verify/cases';
import { runCase } from '../../src/verify/run_case';

const files = findCases(path.join(__dirname, 'cases'));

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test('every case is there', () => {
  expect(files).toHaveLength(26);
});

test.each(files.map((file) => [path.basename(file, '.safetensors'), file]))(
  'the reference keeps the contract on %s',
  async (_name, file) => {
    const before = tf.memory().numTensors;
    const report = await runCase(loadCase(file), referenceImplementation);
    expect(report.message).toBe('');
    expect(report.status).toBe('passed');
    expect(report.comparisons.length).toBeGreaterThan(1);
    expect(tf.memory().numTensors).toBe(before);
  },
);
