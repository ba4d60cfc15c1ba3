import * as tf from '@tensorflow/tfjs-core';
import { FastWeightError } from '../../src/native/errors';
import '../../src/kernels/register';
import { nativeBackend } from '../support/native_backend';

interface Memory extends tf.MemoryInfo {
  nativeTensors: number;
  nativeBytes: number;
}

const memory = () => tf.memory() as Memory;

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof FastWeightError) return error.code;
    throw error;
  }
  return undefined;
}

describe(`memory of ${nativeBackend}`, () => {
  let bytesAtStart: number;

  beforeAll(async () => {
    await tf.ready();
    bytesAtStart = memory().nativeBytes; // what other files of tests have left in this process
    expect(tf.getBackend()).toBe(nativeBackend);
  });

  it('counts native tensors and bytes, once for tensors that share them', () => {
    const before = memory();
    const x = tf.zeros([3, 5]);
    const y = tf.reshape(x, [15]);
    const z = tf.cast(x, 'bool');
    expect(memory().nativeTensors - before.nativeTensors).toBe(2);
    expect(memory().nativeBytes - before.nativeBytes).toBe(60 + 15);
    x.dispose();
    expect(Array.from(y.dataSync())).toEqual(new Array(15).fill(0));
    tf.dispose([y, z]);
    expect(memory()).toEqual(before);
  });

  it('has all of it back after thousands of ops with gradients', () => {
    const w = tf.variable(tf.randomNormal([8, 8]), true, 'w-memory');
    const step = () =>
      tf.tidy(() => {
        const x = tf.randomNormal([4, 8]);
        const loss = () => {
          const h = tf.softmax(tf.relu(tf.matMul(x, w)));
          const [left, right] = tf.split(h, 2, 1);
          const picked = tf.gather(tf.concat([left, right], 1), [0, 2, 2]);
          return tf.mean(tf.squaredDifference(tf.transpose(picked), 0.5)) as tf.Scalar;
        };
        const { value, grads } = tf.variableGrads(loss, [w]);
        w.assign(tf.sub(w, grads['w-memory']) as tf.Tensor2D);
        return value.dataSync()[0];
      });
    step();
    const before = memory();
    for (let i = 0; i < 200; i++) step();
    expect(memory()).toEqual(before);
    w.dispose();
  });

  it('has all of it back after host kernels, complex numbers and strings', () => {
    const before = memory();
    for (let i = 0; i < 100; i++) {
      tf.tidy(() => {
        const z = tf.complex([1, 2], [3, 4]);
        tf.mul(z, tf.cast(tf.real(z), 'complex64')).dataSync();
        tf.fft(z);
        tf.topk(tf.tensor1d([3, 1, 2]), 2);
        tf.concat([tf.tensor1d(['a', 'b']), tf.tensor1d(['c'])]).dataSync();
      });
    }
    expect(memory()).toEqual(before);
  });

  it('moves tensors to other backends and back', async () => {
    const before = memory();
    const x = tf.tensor1d([1, 2, 3]);
    await tf.setBackend('cpu');
    const y = tf.add(x, 1);
    await tf.setBackend(nativeBackend);
    expect(Array.from(tf.add(x, y).dataSync())).toEqual([3, 5, 7]);
    tf.disposeVariables();
    tf.dispose([x, y]);
    expect(memory().nativeBytes - before.nativeBytes).toBe(12); // the sum
  });

  it('refuses a tensor that has been disposed', () => {
    const x = tf.tensor1d([1, 2]);
    x.dispose();
    expect(codeOf(() => tf.exp(x))).toBe('ERR_DISPOSED');
    expect(codeOf(() => tf.add(x, 1))).toBe('ERR_DISPOSED');
    expect(codeOf(() => tf.topk(x, 1))).toBe('ERR_DISPOSED');
    expect(() => x.dataSync()).toThrow('Tensor is disposed');
  });

  it('says so where there is no room, and goes on', () => {
    const before = memory();
    expect(codeOf(() => tf.fill([2 ** 24, 2 ** 24], 1))).toBe('ERR_OUT_OF_MEMORY');
    expect(codeOf(() => tf.fill([2 ** 30, 2 ** 30], 1))).toMatch(/ERR_(RANGE|OUT_OF_MEMORY)/);
    const column = tf.zeros([2 ** 22, 1]);
    expect(codeOf(() => tf.add(column, tf.zeros([1, 2 ** 22])))).toBe('ERR_OUT_OF_MEMORY');
    column.dispose();
    expect(memory().nativeBytes - before.nativeBytes).toBe(2 ** 24); // the row, which is not ours
    expect(tf.sum(tf.ones([10])).dataSync()[0]).toBe(10);
  });

  it('times and profiles kernels', async () => {
    const { kernelMs, wallMs } = await tf.time(() =>
      tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])),
    );
    expect(kernelMs).toBeGreaterThan(0);
    expect(wallMs).toBeGreaterThanOrEqual(kernelMs as number);
    const profile = await tf.profile(() => tf.exp(tf.ones([4])));
    expect(profile.kernelNames).toContain('Exp');
    expect(profile.kernels.every(({ kernelTimeMs }) => (kernelTimeMs as number) >= 0)).toBe(true);
  });

  it('is given back when the backend is disposed of', () => {
    const x = tf.ones([1000]);
    const backend = tf.backend();
    tf.removeBackend(nativeBackend);
    expect((backend.memory() as unknown as Memory).nativeBytes).toBe(bytesAtStart);
    expect(() => backend.readSync(x.dataId)).toThrow(FastWeightError);
  });
});
