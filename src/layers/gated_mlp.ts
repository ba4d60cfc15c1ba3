import { serialization, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { swiglu } from '../ops/activations';
import { storedLinear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, type ParameterSpec } from './parameter_spec';

export interface GatedMlpConfig {
  /** Width of the residual stream. */
  hiddenSize: number;
  /** Width between the projections. */
  intermediateSize: number;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
}

/** The parameters of the layer, by their published names within it. */
export function gatedMlpParameters(config: GatedMlpConfig): ParameterSpec[] {
  const { hiddenSize: width, intermediateSize: inner, initializerRange: std } = config;
  return [
    ...linearParameters('gate_proj', [inner, width], std),
    ...linearParameters('up_proj', [inner, width], std),
    ...linearParameters('down_proj', [width, inner], std),
  ];
}

/** down(silu(gate x) * up x). [batch, tokens, hiddenSize] -> the same shape. */
export class GatedMlp extends ParameterLayer {
  static readonly className = 'FastWeightGatedMlp';
  private readonly config: GatedMlpConfig;

  constructor(args: GatedMlpConfig & ParameterLayerArgs) {
    super(args);
    const { hiddenSize, intermediateSize, initializerRange } = args;
    this.config = { hiddenSize, intermediateSize, initializerRange };
  }

  protected override parameters(): ParameterSpec[] {
    return gatedMlpParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const x = onlyInput(inputs);
      const gate = storedLinear(x, this.parameter('gate_proj.weight'));
      const up = storedLinear(x, this.parameter('up_proj.weight'));
      const hidden = swiglu(gate, up, { stored: true });
      return storedLinear(hidden, this.parameter('down_proj.weight'));
    });
  }
}

serialization.registerClass(GatedMlp);
