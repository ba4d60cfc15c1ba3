import { serialization, type Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { rmsNorm } from '../ops/norms';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { ones, type ParameterSpec } from './parameter_spec';

/** x / sqrt(mean(x^2) + epsilon) * weight over the last axis; the shape stays. */
export class RmsNorm extends ParameterLayer {
  static readonly className = 'FastWeightRmsNorm';
  private readonly epsilon: number;

  constructor(args: { epsilon?: number } & ParameterLayerArgs = {}) {
    super(args);
    this.epsilon = args.epsilon ?? 1e-6;
  }

  protected override parameters(inputShape: Shape): ParameterSpec[] {
    return [{ name: 'weight', shape: [inputShape.at(-1) as number], initializer: ones }];
  }

  protected override settings(): serialization.ConfigDict {
    return { epsilon: this.epsilon };
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    const weight = this.parameter<Tensor1D>('weight');
    return rmsNorm(onlyInput(inputs), weight, this.epsilon, { stored: true });
  }
}

serialization.registerClass(RmsNorm);
