import '../../src/kernels/register';
import * as tf from '@tensorflow/tfjs-core';
import { FastWeightBackend } from '../../src/backend/fastweight_backend';
import { fallbackCounts, resetFallbackCounts } from '../../src/backend/host_fallback';
import { loadAddon } from '../../src/native/addon';

const remote = 'fastweight-remote-test';

beforeAll(async () => {
  tf.registerBackend(remote, () => new FastWeightBackend(loadAddon().openCpuDevice(), true), -1);
  tf.copyRegisteredKernels('fastweight-cpu', remote);
});

afterAll(() => tf.removeBackend(remote));

test.each([
  ['fastweight-cpu', 0],
  [remote, 1],
])(
  'a kernel that %s lacks is counted each time, and warned of %i times',
  async (name, warnings) => {
    await tf.setBackend(name);
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
    resetFallbackCounts();
    tf.tidy(() => {
      for (let call = 0; call < 3; call++) {
        const counts = tf.bincount(tf.tensor1d([1, 1, 2], 'int32'), [], 3);
        expect([...counts.dataSync()]).toEqual([0, 2, 1]);
      }
    });
    expect(fallbackCounts()).toEqual({ Bincount: 3 });
    expect(warn.mock.calls.flat()).toEqual(
      Array(warnings).fill(expect.stringContaining('Bincount')),
    );
    warn.mockRestore();
  },
);
