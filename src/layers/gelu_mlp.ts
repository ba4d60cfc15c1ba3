import { serialization, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { gelu } from '../ops/activations';
import { storedLinear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, type ParameterSpec } from './parameter_spec';

export interface GeluMlpConfig {
  /** Width of the residual stream. */
  hiddenSize: number;
  /** Width between the projections. */
  intermediateSize: number;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
  /** Standard deviation of the initial output projection. */
  outputRange: number;
}

/** The parameters of the layer, by their published names within it. */
export function geluMlpParameters(config: GeluMlpConfig): ParameterSpec[] {
  const { hiddenSize: width, intermediateSize: inner, initializerRange, outputRange } = config;
  return [
    ...linearParameters('c_fc', [inner, width], initializerRange),
    ...linearParameters('c_proj', [width, inner], outputRange),
  ];
}

/** c_proj(gelu(c_fc x)). [..., hiddenSize] -> the same shape. */
export class GeluMlp extends ParameterLayer {
  static readonly className = 'FastWeightGeluMlp';
  private readonly config: GeluMlpConfig;

  constructor(args: GeluMlpConfig & ParameterLayerArgs) {
    super(args);
    const { hiddenSize, intermediateSize, initializerRange, outputRange } = args;
    this.config = { hiddenSize, intermediateSize, initializerRange, outputRange };
  }

  protected override parameters(): ParameterSpec[] {
    return geluMlpParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const inner = storedLinear(onlyInput(inputs), this.parameter('c_fc.weight'));
      return storedLinear(gelu(inner, { stored: true }), this.parameter('c_proj.weight'));
    });
  }
}

serialization.registerClass(GeluMlp);
