import * as tf from '@tensorflow/tfjs-core';

import { instructionSets, numThreads, setNumThreads } from '../../src';
import { normal3 } from '../support/random_tensors';

describe('the CPU device', () => {
  const initial = numThreads();

  beforeAll(() => tf.setBackend('fastweight-cpu'));
  afterEach(() => setNumThreads(initial));

  test('setNumThreads changes numThreads', () => {
    setNumThreads(3);
    expect(numThreads()).toBe(3);
  });

  test('a matrix product is the same bits on one thread and on several', () => {
    const [a, b] = [normal3([1, 301, 203], 1), normal3([1, 203, 157], 2)];
    const products = [1, 2, 5].map((count) => {
      setNumThreads(count);
      return tf.matMul(a, b).dataSync();
    });
    expect(products[1]).toEqual(products[0]);
    expect(products[2]).toEqual(products[0]);
  });

  test.each([0, -1, 1.5, 1025, Number.NaN])('setNumThreads(%p) is refused', (count) => {
    expect(() => setNumThreads(count)).toThrow(/^Expected a whole number from 1 to 1024 for count/);
    expect(numThreads()).toBe(initial);
  });

  test('setNumThreads of a string is an ERR_ARGUMENT', () => {
    expect(() => setNumThreads('2' as unknown as number)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    );
  });

  test('kernels run with the fastest instruction set unless told otherwise', () => {
    const { inUse, available } = instructionSets();
    expect(available[0]).toBe('portable');
    expect(inUse).toBe(process.env.FASTWEIGHT_ISA || available.at(-1));
  });
});
