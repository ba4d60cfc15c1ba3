import {
  type Rank,
  serialization,
  slice,
  split,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  tile,
  transpose,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { silu, stepSizes } from '../ops/activations';
import { fastWeightApply } from '../ops/fast_weight_apply';
import { fastWeightScan } from '../ops/fast_weight_scan';
import type { FastWeights } from '../ops/fast_weight_state';
import { l2Norm, rmsNorm } from '../ops/norms';
import { storeActivation } from '../ops/store_activation';
import { fromRows, joinHeads, splitHeads, toRows } from './heads';
import { reshape } from './lean_ops';
import { linear, storedLinear } from './linear';
import { ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, normal, ones, type ParameterSpec } from './parameter_spec';

export interface FastWeightGluMlpConfig {
  /** Width of the residual stream; divisible by `headDim`. */
  hiddenSize: number;
  headDim: number;
  /** Hidden width of a fast-weight network in units of its head width. */
  interMulti: number;
  /** Step size that a zero projection gives. */
  baseStepSize: number;
  /** Newton-Schulz steps of the update. */
  muonSteps: number;
  /** Standard deviation of the initial linear weights. */
  initializerRange: number;
  /** Standard deviation of the initial output projection. */
  outputRange: number;
}

/** Epsilon of the output norm, as published. */
const normEpsilon = 1e-5;

/** The parameters of the layer, by their published names; fast weights are [heads, in, out]. */
export function fastWeightGluMlpParameters(config: FastWeightGluMlpConfig): ParameterSpec[] {
  const { hiddenSize: width, headDim, interMulti, initializerRange: std, outputRange } = config;
  const heads = width / headDim;
  const hidden = Math.trunc(headDim * interMulti);
  const fast = (name: string, inputs: number, out: number) => ({
    name,
    shape: [heads, inputs, out],
    initializer: normal(Math.sqrt(2 / inputs)),
  });
  return [
    fast('w0', headDim, hidden),
    fast('w1', hidden, headDim),
    fast('w2', headDim, hidden),
    ...linearParameters('to_qkv', [3 * width, width], std),
    ...linearParameters('c_proj', [width, width], outputRange),
    ...linearParameters('lr_fc', [3 * heads, width], std, true),
    { name: 'o_norm.weight', shape: [headDim], initializer: ones },
  ];
}

/**
 * Fast weights over a set of tokens without order: some tokens are written in one Muon step, then
 * any tokens are read.
 *
 * On x [batch, images, tokens, hiddenSize] it writes x and gives the fast weights w0, w1 and w2 of
 * every row (batch x head), shaped as in {@link FastWeights}. On [x, w0, w1, w2] it reads x and
 * gives [batch, images, tokens, hiddenSize].
 *
 * Source: view synthesis in "Test-Time Training Done Right" (arXiv 2505.23884).
 */
export class FastWeightGluMlp extends ParameterLayer {
  static readonly className = 'FastWeightGluMlp';
  private readonly config: FastWeightGluMlpConfig;

  constructor(args: FastWeightGluMlpConfig & ParameterLayerArgs) {
    const { name, trainable, seed, ...config } = args;
    super({ name, trainable, seed });
    const { hiddenSize, headDim, interMulti, baseStepSize, muonSteps } = config;
    const { initializerRange, outputRange } = config;
    const widths = { hiddenSize, headDim, interMulti };
    this.config = { ...widths, baseStepSize, muonSteps, initializerRange, outputRange };
  }

  private get heads(): number {
    return this.config.hiddenSize / this.config.headDim;
  }

  protected override parameters(): ParameterSpec[] {
    return fastWeightGluMlpParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape | Shape[] {
    if (Array.isArray(inputShape[0])) return inputShape[0];
    const { headDim, interMulti } = this.config;
    const hidden = Math.trunc(headDim * interMulti);
    const inward: Shape = [null, hidden, headDim];
    return [inward, [null, headDim, hidden], inward];
  }

  override call(inputs: Tensor | Tensor[]): Tensor | Tensor[] {
    const [x, w0, w1, w2] = (Array.isArray(inputs) ? inputs : [inputs]) as Tensor3D[];
    if (w0 === undefined) return tidy(() => this.write(x as Tensor as Tensor4D));
    return tidy(() => this.read(x as Tensor as Tensor4D, { w0, w1, w2 }));
  }

  private write(x: Tensor4D): Tensor[] {
    const { hiddenSize, baseStepSize, muonSteps } = this.config;
    const tokens = this.flat(x);
    const kv = silu(this.projected(tokens, hiddenSize, 2 * hiddenSize));
    const [k, v] = split<Tensor3D>(kv, 2, 2);
    const rates = linear<Tensor3D>(
      tokens,
      this.parameter<Tensor2D>('lr_fc.weight'),
      this.parameter<Tensor1D>('lr_fc.bias'),
    );
    const { state } = fastWeightScan(
      {
        k: this.unitRows(k),
        v: storeActivation(toRows(v, this.heads)),
        rates: this.rateRows(stepSizes(rates, baseStepSize)),
      },
      this.startingWeights(x.shape[0]),
      [{ kind: 'update', start: 0, end: tokens.shape[1] }],
      { optimizer: 'muon', newtonSchulz: `keller${muonSteps}`, detachNorm: true },
    );
    const { w0, w1, w2 } = state.weights;
    return [w0, w1, w2];
  }

  private read(x: Tensor4D, weights: FastWeights): Tensor {
    const q = silu(this.projected(this.flat(x), 0, this.config.hiddenSize));
    const output = storeActivation(fastWeightApply(this.unitRows(q), weights));
    const normed = rmsNorm(output, this.parameter<Tensor1D>('o_norm.weight'), normEpsilon);
    const joined = storeActivation(fromRows(normed, this.heads));
    const mixed = storedLinear(joined, this.parameter('c_proj.weight'));
    return reshape(mixed, x.shape);
  }

  /** [batch, images, tokens, hiddenSize] -> [batch, images * tokens, hiddenSize] */
  private flat(x: Tensor4D): Tensor3D {
    const [batch, images, tokens, width] = x.shape;
    return reshape<Rank.R3>(x, [batch, images * tokens, width]);
  }

  /** `count` of the outputs of to_qkv from `first` on, [batch, tokens, count]. */
  private projected(x: Tensor3D, first: number, count: number): Tensor3D {
    const weight = this.parameter<Tensor2D>('to_qkv.weight');
    return storedLinear(x, slice(weight, [first, 0], [count, -1]));
  }

  /** Queries or keys [batch, tokens, hiddenSize] -> [batch * heads, tokens, headDim], normalised. */
  private unitRows(x: Tensor3D): Tensor3D {
    const unit = l2Norm(splitHeads(storeActivation(x), this.heads));
    return storeActivation(toRows(joinHeads(unit), this.heads));
  }

  /** [batch, tokens, 3 * heads], the three of w0, w1, w2 outermost -> [batch * heads, tokens, 3] */
  private rateRows(rates: Tensor3D): Tensor3D {
    const [batch, tokens] = rates.shape;
    const split = reshape<Rank.R4>(rates, [batch, tokens, 3, this.heads]);
    return reshape<Rank.R3>(transpose(split, [0, 3, 1, 2]), [batch * this.heads, tokens, 3]);
  }

  /** The initial fast weights of every row as [rows, out, in]. */
  private startingWeights(batch: number): FastWeights {
    const rows = (name: string): Tensor3D =>
      tile(transpose(this.parameter<Tensor3D>(name), [0, 2, 1]), [batch, 1, 1]);
    return { w0: rows('w0'), w1: rows('w1'), w2: rows('w2') };
  }
}

serialization.registerClass(FastWeightGluMlp);
