import { serialization, type Tensor } from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { linear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, type ParameterSpec } from './parameter_spec';

export interface LinearConfig {
  inputSize: number;
  outputSize: number;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
}

/** x W^T over the last axis. [..., inputSize] -> [..., outputSize] */
export class Linear extends ParameterLayer {
  static readonly className = 'FastWeightLinear';
  private readonly config: LinearConfig;

  constructor(args: LinearConfig & ParameterLayerArgs) {
    super(args);
    const { inputSize, outputSize, initializerRange } = args;
    this.config = { inputSize, outputSize, initializerRange };
  }

  protected override parameters(): ParameterSpec[] {
    const { inputSize, outputSize, initializerRange } = this.config;
    const [weight] = linearParameters('weight', [outputSize, inputSize], initializerRange);
    return [{ ...weight, name: 'weight' }];
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), this.config.outputSize];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return linear(onlyInput(inputs), this.parameter('weight'));
  }
}

serialization.registerClass(Linear);
