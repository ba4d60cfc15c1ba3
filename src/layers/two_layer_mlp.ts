import {
  serialization,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { geluTanh, silu } from '../ops/activations';
import { linear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, type ParameterSpec } from './parameter_spec';

const activations = { silu, geluTanh };

export interface TwoLayerMlpConfig {
  inputSize: number;
  hiddenSize: number;
  outputSize: number;
  activation: keyof typeof activations;
  /** Standard deviations of the initial weights. */
  initializerRanges: [first: number, second: number];
}

/** The parameters of the layer: published as the first and third of a sequence, so '0' and '2'. */
export function twoLayerMlpParameters(config: TwoLayerMlpConfig): ParameterSpec[] {
  const { inputSize, hiddenSize, outputSize, initializerRanges } = config;
  return [
    ...linearParameters('0', [hiddenSize, inputSize], initializerRanges[0], true),
    ...linearParameters('2', [outputSize, hiddenSize], initializerRanges[1], true),
  ];
}

/** Linear, activation, linear, with biases. [..., inputSize] -> [..., outputSize] */
export class TwoLayerMlp extends ParameterLayer {
  static readonly className = 'FastWeightTwoLayerMlp';
  private readonly config: TwoLayerMlpConfig;

  constructor(args: TwoLayerMlpConfig & ParameterLayerArgs) {
    const { name, trainable, seed, ...config } = args;
    super({ name, trainable, seed });
    this.config = config;
  }

  protected override parameters(): ParameterSpec[] {
    return twoLayerMlpParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), this.config.outputSize];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const weight = (name: string) => this.parameter<Tensor2D>(`${name}.weight`);
      const bias = (name: string) => this.parameter<Tensor1D>(`${name}.bias`);
      const hidden = linear(onlyInput(inputs), weight('0'), bias('0'));
      return linear(activations[this.config.activation](hidden), weight('2'), bias('2'));
    });
  }
}

serialization.registerClass(TwoLayerMlp);
