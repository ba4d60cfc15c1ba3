import { backend, serialization, type Tensor } from '@tensorflow/tfjs-core';
import { initializers, type Shape } from '@tensorflow/tfjs-layers';
import { FastWeightBackend } from '../backend/fastweight_backend';
import { randomNormal } from '../ops/random';

/**
 * Normal numbers of mean 0 by a seed. On our backends they are made natively: the same seed and
 * shape give the same bits for any number of threads. Other backends make other numbers.
 */
export class NormalInitializer extends serialization.Serializable {
  static readonly className = 'FastWeightNormal';

  /** @param seed a whole number from 0 to 2^53 - 1 */
  constructor(
    private readonly std: number,
    private readonly seed: number,
  ) {
    super();
  }

  apply(shape: Shape): Tensor {
    const { std, seed } = this;
    if (backend() instanceof FastWeightBackend) return randomNormal(shape as never, 0, std, seed);
    return initializers.randomNormal({ mean: 0, stddev: std, seed }).apply(shape);
  }

  fromConfigUsesCustomObjects(): boolean {
    return false;
  }

  override getConfig(): serialization.ConfigDict {
    return { std: this.std, seed: this.seed };
  }
}
