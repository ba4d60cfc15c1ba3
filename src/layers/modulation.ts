// Adaptive layer norm (arXiv 2212.09748, section 3.2): a time embedding shifts, scales and gates.
import {
  add as addBroadcast,
  mul,
  reshape,
  serialization,
  slice,
  type Tensor,
  type Tensor1D,
  type Tensor3D,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { silu } from '../ops/activations';
import { layerNorm } from '../ops/norms';
import { storeActivation } from '../ops/store_activation';
import { add, scaleShift } from './lean_ops';
import { linear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { normal, type ParameterSpec, xavier, zeros } from './parameter_spec';

/** silu, then a linear map to the six modulations of a block. [.., dim] -> [.., 6, dim] */
export class TimeProjection extends ParameterLayer {
  static readonly className = 'FastWeightTimeProjection';

  constructor(args: ParameterLayerArgs = {}) {
    super(args);
  }

  protected override parameters(inputShape: Shape): ParameterSpec[] {
    const dim = inputShape.at(-1) as number;
    return [
      { name: 'weight', shape: [6 * dim, dim], initializer: normal(xavier(dim, 6 * dim)) },
      { name: 'bias', shape: [6 * dim], initializer: zeros },
    ];
  }

  protected override settings(): serialization.ConfigDict {
    return {};
  }

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), 6, inputShape.at(-1) as number];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const e = onlyInput(inputs);
      const y = linear(silu(e), this.parameter('weight'), this.parameter<Tensor1D>('bias'));
      return reshape(y, [...e.shape.slice(0, -1), 6, e.shape.at(-1) as number]);
    });
  }
}

/** The parameter of a table of `count` modulations, published as [1, count, dim]. */
export function modulationParameter(count: number, dim: number): ParameterSpec {
  return { name: 'modulation', shape: [1, count, dim], initializer: normal(dim ** -0.5) };
}

/**
 * A block's own modulations, added to those of the time embedding.
 * [batch, windows, count, dim] -> the same shape
 */
export class Modulation extends ParameterLayer {
  static readonly className = 'FastWeightModulation';

  constructor(args: ParameterLayerArgs = {}) {
    super(args);
  }

  protected override parameters(inputShape: Shape): ParameterSpec[] {
    const [count, dim] = inputShape.slice(-2) as number[];
    return [modulationParameter(count, dim)];
  }

  protected override settings(): serialization.ConfigDict {
    return {};
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => addBroadcast(onlyInput(inputs), this.parameter<Tensor3D>('modulation')));
  }
}

/** Number `index` of modulations [batch, windows, count, dim], as [batch, windows, 1, dim]. */
function modulationOf(modulations: Tensor, index: number): Tensor {
  return slice(modulations, [0, 0, index, 0], [-1, -1, 1, -1]);
}

/**
 * layerNorm(x) * (1 + scale) + shift, the norm without weights, stored as an activation; shift and
 * scale broadcast.
 */
export function modulatedNorm(x: Tensor, shift: Tensor, scale: Tensor, epsilon: number): Tensor {
  return tidy(() => {
    const normed = layerNorm(x, undefined, undefined, epsilon, { stored: true });
    return storeActivation(scaleShift(normed, addBroadcast(scale, 1), shift));
  });
}

export interface ModulatedNormConfig {
  /** Place of the shift among the modulations; the scale is the one after it. */
  shift: number;
  epsilon: number;
}

/**
 * The norm before a branch, shifted and scaled.
 * x [batch, windows, tokens, dim], modulations [batch, windows, count, dim] -> shaped as x
 */
export class ModulatedNorm extends ParameterLayer {
  static readonly className = 'FastWeightModulatedNorm';
  private readonly config: ModulatedNormConfig;

  constructor(args: ModulatedNormConfig & ParameterLayerArgs) {
    super(args);
    this.config = { shift: args.shift, epsilon: args.epsilon };
  }

  protected override parameters(): ParameterSpec[] {
    return [];
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape([x]: Shape[]): Shape {
    return x;
  }

  override call(inputs: Tensor[]): Tensor {
    return tidy(() => {
      const [x, modulations] = inputs;
      const { shift, epsilon } = this.config;
      const at = (index: number) => modulationOf(modulations, index);
      return modulatedNorm(x, at(shift), at(shift + 1), epsilon);
    });
  }
}

/**
 * A branch added behind a gate: x + y * gate.
 * x, y [batch, windows, tokens, dim], modulations [batch, windows, count, dim] -> shaped as x
 */
export class GatedResidual extends ParameterLayer {
  static readonly className = 'FastWeightGatedResidual';
  private readonly gate: number;

  /** @param args.gate place of the gate among the modulations */
  constructor(args: { gate: number } & ParameterLayerArgs) {
    super(args);
    this.gate = args.gate;
  }

  protected override parameters(): ParameterSpec[] {
    return [];
  }

  protected override settings(): serialization.ConfigDict {
    return { gate: this.gate };
  }

  override computeOutputShape([x]: Shape[]): Shape {
    return x;
  }

  override call(inputs: Tensor[]): Tensor {
    return tidy(() => {
      const [x, y, modulations] = inputs;
      return add(x, mul(y, modulationOf(modulations, this.gate)));
    });
  }
}

serialization.registerClass(TimeProjection);
serialization.registerClass(Modulation);
serialization.registerClass(ModulatedNorm);
serialization.registerClass(GatedResidual);
