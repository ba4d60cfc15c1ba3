import {
  serialization,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { geluTanh, silu } from '../ops/activations';
import { storedLinear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { normal, type ParameterSpec, zeros } from './parameter_spec';

const activations = { silu, geluTanh, none: (x: Tensor) => x };

export interface BiasedLinearConfig {
  inputSize: number;
  outputSize: number;
  /** Applied to the result. */
  activation: keyof typeof activations;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
}

/** activation(x W^T + b) over the last axis. [..., inputSize] -> [..., outputSize] */
export class BiasedLinear extends ParameterLayer {
  static readonly className = 'FastWeightBiasedLinear';
  private readonly config: BiasedLinearConfig;

  constructor(args: BiasedLinearConfig & ParameterLayerArgs) {
    const { name, trainable, seed, ...config } = args;
    super({ name, trainable, seed });
    this.config = config;
  }

  protected override parameters(): ParameterSpec[] {
    const { inputSize, outputSize, initializerRange } = this.config;
    const shape = [outputSize, inputSize];
    return [
      { name: 'weight', shape, initializer: normal(initializerRange) },
      { name: 'bias', shape: [outputSize], initializer: zeros },
    ];
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), this.config.outputSize];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const bias = this.parameter<Tensor1D>('bias');
      const y = storedLinear(onlyInput(inputs), this.parameter<Tensor2D>('weight'), bias);
      return activations[this.config.activation](y, { stored: true });
    });
  }
}

serialization.registerClass(BiasedLinear);
