import { readdirSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { root } from '../support/bundle';
import '../../src/kernels/register';

const published = path.join(root, 'node_modules/@tensorflow/tfjs-core/dist/public/chained_ops');

/** Names of the methods that tfjs-core's own registration defines. */
function publishedMethods(): string[] {
  return readdirSync(published)
    .filter((file) => /^(?!register).*(?<!test)\.js$/.test(file))
    .flatMap((file) => [
      ...readFileSync(path.join(published, file), 'utf8').matchAll(
        /prototype\.(\w+)\s*=\s*function/g,
      ),
    ])
    .map(([, name]) => name);
}

describe('methods of tensors', () => {
  beforeAll(() => tf.ready());

  it('are those that tfjs-core publishes', () => {
    const names = publishedMethods();
    expect(names).toHaveLength(137);
    expect(names.filter((name) => !(name in tf.Tensor.prototype))).toEqual([]);
  });

  it('call the op with the tensor first', () => {
    const x = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    expect(x.matMul(x, true).arraySync()).toEqual([
      [10, 14],
      [14, 20],
    ]);
    expect(x.sub(1).square().sum(0).arraySync()).toEqual([4, 10]);
    expect(x.concat([x, x], 1).shape).toEqual([2, 6]);
    expect(x.stack(x).shape).toEqual([2, 2, 2]);
    expect(x.as1D().asType('int32').toBool().dtype).toBe('bool');
    expect(x.where(x.greater(2), x.neg()).arraySync()).toEqual([
      [-1, -2],
      [3, 4],
    ]);
    expect(() => x.asScalar()).toThrow('Expected 1 element');
  });

  it('refuse a disposed tensor', () => {
    const x = tf.tensor1d([1]);
    x.dispose();
    expect(() => x.add(1)).toThrow('Tensor is disposed');
  });
});
