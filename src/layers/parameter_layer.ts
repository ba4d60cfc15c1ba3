import type { serialization, Tensor } from '@tensorflow/tfjs-core';
import { initializers, layers, type Shape } from '@tensorflow/tfjs-layers';
import { expected } from '../native/errors';
import { NormalInitializer } from './normal_initializer';
import type { Initializer, ParameterSpec } from './parameter_spec';

/** What every layer here can be given besides its own settings. */
export interface ParameterLayerArgs {
  /** Name under which the layer's parameters stand in a checkpoint. */
  name?: string;
  trainable?: boolean;
  /**
   * Seed of the initial weights; each parameter draws from its own stream. On one of our backends
   * the same seed gives the same bits; another backend makes other weights of it. Default 0.
   */
  seed?: number;
}

function initializerOf(initializer: Initializer, seed: number) {
  if (initializer.kind === 'ones') return initializers.ones();
  if (initializer.kind === 'zeros') return initializers.zeros();
  return new NormalInitializer(initializer.std, seed);
}

/**
 * A tf.layers.Layer whose parameters follow a table of published names and shapes. A subclass gives
 * the table, reads parameters by name in `call`, and names its settings in `settings`.
 */
export abstract class ParameterLayer extends layers.Layer {
  protected readonly seed: number;

  protected constructor({ name, trainable, seed = 0 }: ParameterLayerArgs) {
    super({ name, trainable });
    if (!Number.isSafeInteger(seed))
      throw expected('ERR_ARGUMENT', 'an integer', 'seed', `${seed}`);
    this.seed = seed;
  }

  /** The parameters for an input of the given shape, by their names within the layer. */
  protected abstract parameters(inputShape: Shape): ParameterSpec[];

  /** The settings that rebuild the layer, for serialization. */
  protected abstract settings(): serialization.ConfigDict;

  override build(inputShape: Shape | Shape[]): void {
    const specs = this.parameters(inputShape as Shape);
    specs.forEach(({ name, shape, initializer }, index) => {
      // 7919 keeps the streams of neighbouring layer seeds apart.
      const stream = BigInt.asUintN(53, 7919n * BigInt(this.seed) + BigInt(index + 1));
      const weight = initializerOf(initializer, Number(stream));
      this.addWeight(name, shape, 'float32', weight, undefined, true);
    });
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape | Shape[] {
    return inputShape;
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), seed: this.seed, ...this.settings() };
  }

  /** The current value of the parameter `name`; the layer goes on owning it. */
  protected parameter<T extends Tensor>(name: string): T {
    const suffix = `${this.name}/${name}`;
    const found = this.weights.find(({ originalName }) => originalName === suffix);
    if (found === undefined) throw expected('ERR_ARGUMENT', 'a parameter', suffix, 'none');
    return found.read() as T;
  }
}

/** The one input of a layer that takes one. */
export function onlyInput<T extends Tensor>(inputs: Tensor | Tensor[]): T {
  return (Array.isArray(inputs) ? inputs[0] : inputs) as T;
}
