import {
  serialization,
  type Tensor,
  type Tensor1D,
  type Tensor3D,
  type Tensor4D,
  tidy,
} from '@tensorflow/tfjs-core';
import { attention } from '../ops/attention';
import { rmsNorm } from '../ops/norms';
import { joinHeads, splitHeads } from './heads';
import { reshape } from './lean_ops';
import { splitLinear, storedLinear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, ones, type ParameterSpec } from './parameter_spec';

export interface SelfAttentionConfig {
  /** Width of the residual stream; divisible by `headDim`. */
  hiddenSize: number;
  headDim: number;
  /** RMS norm over each head of q and of k. */
  useQkNorm: boolean;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
  /** Standard deviation of the initial output projection. */
  outputRange: number;
}

/** Epsilon of the q and k norms: the distance from 1 to the next float32, as published. */
const machineEpsilon = 2 ** -23;

/** The parameters of the layer, by their published names within it. */
export function selfAttentionParameters(config: SelfAttentionConfig): ParameterSpec[] {
  const { hiddenSize: width, headDim, initializerRange, outputRange } = config;
  const norms = config.useQkNorm ? ['q_norm.weight', 'k_norm.weight'] : [];
  return [
    ...linearParameters('to_qkv', [3 * width, width], initializerRange),
    ...linearParameters('c_proj', [width, width], outputRange),
    ...norms.map((name) => ({ name, shape: [headDim], initializer: ones })),
  ];
}

/**
 * Self-attention among the tokens of each image, every token to every token.
 * [batch, images, tokens, hiddenSize] -> the same shape.
 *
 * Source: view synthesis in "Test-Time Training Done Right" (arXiv 2505.23884), section 4.1.
 */
export class SelfAttention extends ParameterLayer {
  static readonly className = 'FastWeightSelfAttention';
  private readonly config: SelfAttentionConfig;

  constructor(args: SelfAttentionConfig & ParameterLayerArgs) {
    super(args);
    const { hiddenSize, headDim, useQkNorm, initializerRange, outputRange } = args;
    this.config = { hiddenSize, headDim, useQkNorm, initializerRange, outputRange };
  }

  protected override parameters(): ParameterSpec[] {
    return selfAttentionParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const x = onlyInput<Tensor4D>(inputs);
      const { hiddenSize, headDim } = this.config;
      const [batch, images, tokens] = x.shape;
      const byImage: Tensor3D = reshape(x, [batch * images, tokens, hiddenSize]);
      const qkv = splitLinear(byImage, this.parameter('to_qkv.weight'), 3);
      const [q, k, v] = qkv.map((y) => splitHeads(y, hiddenSize / headDim));
      const attended = attention(this.normed(q, 'q_norm'), this.normed(k, 'k_norm'), v);
      const mixed = storedLinear(joinHeads(attended), this.parameter('c_proj.weight'));
      return reshape(mixed, x.shape);
    });
  }

  private normed(x: Tensor4D, name: string): Tensor4D {
    if (!this.config.useQkNorm) return x;
    const weight = this.parameter<Tensor1D>(`${name}.weight`);
    return rmsNorm(x, weight, machineEpsilon, { stored: true });
  }
}

serialization.registerClass(SelfAttention);
