import { serialization, type Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { layerNorm } from '../ops/norms';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { ones, type ParameterSpec, zeros } from './parameter_spec';

/**
 * (x - mean(x)) / sqrt(variance(x) + epsilon) * weight over the last axis, plus a bias where asked
 * for; the shape stays.
 */
export class LayerNorm extends ParameterLayer {
  static readonly className = 'FastWeightLayerNorm';
  private readonly epsilon: number;
  private readonly bias: boolean;
  private readonly stored: boolean;

  /**
   * @param args.stored whether the result is stored as an activation (the default); not where it is
   * the start of a residual stream
   */
  constructor(
    args: { epsilon?: number; bias?: boolean; stored?: boolean } & ParameterLayerArgs = {},
  ) {
    super(args);
    this.epsilon = args.epsilon ?? 1e-5;
    this.bias = args.bias ?? false;
    this.stored = args.stored ?? true;
  }

  protected override parameters(inputShape: Shape): ParameterSpec[] {
    const shape = [inputShape.at(-1) as number];
    const weight: ParameterSpec = { name: 'weight', shape, initializer: ones };
    return this.bias ? [weight, { name: 'bias', shape, initializer: zeros }] : [weight];
  }

  protected override settings(): serialization.ConfigDict {
    return { epsilon: this.epsilon, bias: this.bias, stored: this.stored };
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    const weight = this.parameter<Tensor1D>('weight');
    const bias = this.bias ? this.parameter<Tensor1D>('bias') : undefined;
    return layerNorm(onlyInput(inputs), weight, bias, this.epsilon, { stored: this.stored });
  }
}

serialization.registerClass(LayerNorm);
