import {
  concat,
  cos,
  expandDims,
  mul,
  serialization,
  sin,
  type Tensor,
  tensor1d,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import type { ParameterSpec } from './parameter_spec';

/**
 * Cosines, then sines of a diffusion time at `size / 2` frequencies 10000^(-2 i / size).
 * [...] -> [..., size]
 */
export class SinusoidalEmbedding extends ParameterLayer {
  static readonly className = 'FastWeightSinusoidalEmbedding';
  private readonly size: number;

  /** @param args.size even */
  constructor(args: { size: number } & ParameterLayerArgs) {
    super(args);
    this.size = args.size;
  }

  protected override parameters(): ParameterSpec[] {
    return [];
  }

  protected override settings(): serialization.ConfigDict {
    return { size: this.size };
  }

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape, this.size];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const half = this.size / 2;
      const frequencies = Array.from({ length: half }, (_, i) => 10000 ** (-i / half));
      const angles = mul(expandDims(onlyInput(inputs), -1), tensor1d(frequencies));
      return concat([cos(angles), sin(angles)], -1);
    });
  }
}

serialization.registerClass(SinusoidalEmbedding);
