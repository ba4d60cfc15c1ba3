import {
  serialization,
  type Tensor,
  type Tensor1D,
  type Tensor3D,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { attention } from '../ops/attention';
import { rmsNorm } from '../ops/norms';
import { joinHeads, splitHeads } from './heads';
import { reshape } from './lean_ops';
import { storedLinear } from './linear';
import { ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, ones, type ParameterSpec, xavier } from './parameter_spec';

export interface CrossAttentionConfig {
  /** Width of x and of the context. */
  dim: number;
  numHeads: number;
  /** Epsilon of the q and k norms. */
  eps: number;
}

/** The parameters of the layer, by their published names within it. */
export function crossAttentionParameters({ dim }: CrossAttentionConfig): ParameterSpec[] {
  const std = xavier(dim, dim);
  return [
    ...['q', 'k', 'v', 'o'].flatMap((name) => linearParameters(name, [dim, dim], std, true)),
    { name: 'norm_q.weight', shape: [dim], initializer: ones },
    { name: 'norm_k.weight', shape: [dim], initializer: ones },
  ];
}

/**
 * Every token of a video attends to the tokens of a context, such as a text's embedding.
 * x [batch, windows, tokens, dim], context [batch, context tokens, dim] -> shaped as x
 */
export class CrossAttention extends ParameterLayer {
  static readonly className = 'FastWeightCrossAttention';
  private readonly config: CrossAttentionConfig;

  constructor(args: CrossAttentionConfig & ParameterLayerArgs) {
    const { name, trainable, seed, ...config } = args;
    super({ name, trainable, seed });
    this.config = config;
  }

  protected override parameters(): ParameterSpec[] {
    return crossAttentionParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape([x]: Shape[]): Shape {
    return x;
  }

  override call(inputs: Tensor[]): Tensor {
    return tidy(() => {
      const [x, context] = inputs as [Tensor, Tensor3D];
      const { numHeads, eps, dim } = this.config;
      const flat: Tensor3D = reshape(x, [x.shape[0], -1, dim]);
      const normed = (y: Tensor3D, name: string) =>
        rmsNorm(y, this.parameter<Tensor1D>(`${name}.weight`), eps, { stored: true });
      const q = normed(this.linear('q', flat), 'norm_q');
      const k = normed(this.linear('k', context), 'norm_k');
      const heads = [q, k, this.linear('v', context)].map((y) => splitHeads(y, numHeads));
      const attended = joinHeads(attention(heads[0], heads[1], heads[2]));
      return reshape(this.linear('o', attended), x.shape);
    });
  }

  private linear(name: string, x: Tensor3D): Tensor3D {
    const bias = this.parameter<Tensor1D>(`${name}.bias`);
    return storedLinear(x, this.parameter(`${name}.weight`), bias);
  }
}

serialization.registerClass(CrossAttention);
