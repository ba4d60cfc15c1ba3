import {
  add as addBroadcast,
  eye,
  matMul,
  mul,
  type Rank,
  serialization,
  sigmoid,
  slice,
  squeeze,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  tile,
} from '@tensorflow/tfjs-core';
import { silu, stepSizes } from '../ops/activations';
import type { FastWeights } from '../ops/fast_weight_state';
import { l2Norm, rmsNorm } from '../ops/norms';
import { storeActivation } from '../ops/store_activation';
import {
  type FastWeightAttentionConfig,
  fastWeightAttentionParameters,
} from './fast_weight_attention_config';
import { fromRows, joinHeads, splitHeads, toRows } from './heads';
import { add, reshape, scaleShift } from './lean_ops';
import { linear, splitLinear, storedLinear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import type { ParameterSpec } from './parameter_spec';
import { type SequenceArguments, type SequenceLayout, wholeSequences } from './sequence_layout';

/** Epsilon of the q, k and output norms within the layer, as published. */
const normEpsilon = 1e-5;

/** Step size that a zero projection gives. */
const baseStepSize = 0.001;

/**
 * The LaCT layer of the language model: sliding-window attention and fast weights, written in shifted
 * block-causal order, on the same q, k and v, added before the output projection.
 * [batch, tokens, hiddenSize] -> the same shape.
 *
 * Source: "Test-Time Training Done Right" (arXiv 2505.23884), section 4.2.
 */
export class FastWeightAttention extends ParameterLayer {
  static readonly className = 'FastWeightAttention';
  readonly config: Readonly<FastWeightAttentionConfig>;

  constructor(args: FastWeightAttentionConfig & ParameterLayerArgs) {
    const { name, trainable, seed, ...config } = args;
    super({ name, trainable, seed });
    this.config = config;
  }

  protected override parameters(): ParameterSpec[] {
    return fastWeightAttentionParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config } as unknown as serialization.ConfigDict;
  }

  /** @param sequence how the tokens make up sequences; each batch element is one by default */
  override call(
    inputs: Tensor | Tensor[],
    { sequence = wholeSequences }: SequenceArguments = {},
  ): Tensor {
    return tidy(() => {
      const x = onlyInput<Tensor3D>(inputs);
      const { config, name } = this;
      const qkvBias = config.qkvBias ? this.parameter<Tensor1D>('qkv.bias') : undefined;
      let [q, k, v] = splitLinear(x, this.parameter<Tensor2D>('qkv.weight'), 3, qkvBias);
      if (config.attnQkNorm) [q, k] = [this.normed(q, 'q_norm'), this.normed(k, 'k_norm')];
      const [rotatedQ, rotatedK] = [q, k].map((each) =>
        storeActivation(this.rotated(each, sequence)),
      );
      const heads = splitHeads(v, config.numAttnHeads);
      const attended = sequence.attend(name, rotatedQ, rotatedK, heads, config.windowSize);
      const joined = joinHeads(attended);
      const read =
        config.numLactHeads === 0
          ? joined
          : storeActivation(add(joined, this.readFastWeights(x, [q, k, v], sequence)));
      return storedLinear(read, this.parameter<Tensor2D>('o_proj.weight'));
    });
  }

  /** A projection to a few numbers a token, which stay float32. */
  private linear(name: string, x: Tensor3D): Tensor3D {
    const weight = this.parameter<Tensor2D>(`${name}.weight`);
    return linear(x, weight, this.parameter<Tensor1D>(`${name}.bias`));
  }

  private normed(x: Tensor3D, name: string): Tensor3D {
    const weight = this.parameter<Tensor1D>(`${name}.weight`);
    return rmsNorm(x, weight, normEpsilon, { stored: true });
  }

  /** x [batch, tokens, hiddenSize] -> [batch, tokens, numAttnHeads, dim], each head rotated. */
  private rotated(x: Tensor3D, sequence: SequenceLayout): Tensor4D {
    return sequence.rotate(splitHeads(x, this.config.numAttnHeads), this.config.ropeTheta);
  }

  /** The normed, scaled output of the fast weights, [batch, tokens, hiddenSize]. */
  private readFastWeights(x: Tensor3D, [q, k, v]: Tensor3D[], sequence: SequenceLayout): Tensor3D {
    const { config } = this;
    const heads = config.numLactHeads;
    const output = sequence.readFastWeights(
      this.name,
      {
        q: this.fastQueryOrKey(q, 0, sequence),
        k: this.fastQueryOrKey(k, 1, sequence),
        v: storeActivation(toRows(config.qkvSilu && !config.noVSilu ? silu(v) : v, heads)),
        rates: toRows(stepSizes(this.linear('lr_proj', x), baseStepSize), heads),
        momentum: config.useMomentum
          ? toRows(sigmoid(this.linear('momentum_proj.0', x)), heads)
          : undefined,
      },
      {
        chunk: config.lactChunkSize,
        options: {
          optimizer: config.useMuon ? 'muon' : 'gd',
          newtonSchulz: config.newtonSchulz,
          weightNorm: config.tttPrenorm ? 'pre' : 'post',
        },
        start: () => this.startingWeights(x.shape[0]),
      },
    );
    const normed = this.normed(storeActivation(output), 'ttt_norm');
    if (!config.learnableTttScale) return fromRows(normed, heads);
    const scale = toRows(silu(this.linear('ttt_scale_proj', x)), heads);
    return fromRows(mul(normed, scale), heads);
  }

  /** The q (column 0) or k (column 1) of the fast weights, [batch * numLactHeads, tokens, dim]. */
  private fastQueryOrKey(x: Tensor3D, column: number, sequence: SequenceLayout): Tensor3D {
    const { config } = this;
    const heads = config.numLactHeads;
    const channel = (name: string) =>
      squeeze<Tensor1D>(slice(this.parameter<Tensor2D>(name), [0, column], [-1, 1]), [1]);
    let y = storeActivation(scaleShift(x, channel('qk_scale'), channel('qk_offset')));
    if (config.qkvSilu) y = silu(y, { stored: true });
    const [batch, tokens, width] = y.shape;
    const unit = joinHeads(l2Norm(splitHeads(y, heads)));
    // The rotary embedding groups channels by the attention's heads here too.
    const turned = config.tttNope ? unit : joinHeads(this.rotated(unit, sequence));
    const rows = toRows(reshape<Rank.R3>(turned, [batch, tokens, width]), heads);
    return storeActivation(rows);
  }

  /** The initial fast weights of every row, [batch * numLactHeads, ...]. */
  private startingWeights(batch: number): FastWeights {
    const rows = (name: string): Tensor3D => tile(this.startingWeight(name), [batch, 1, 1]);
    return { w0: rows('w0'), w1: rows('w1'), w2: rows('w2') };
  }

  private startingWeight(name: string): Tensor3D {
    if (name === 'w1' || this.config.w0w2LowRank <= 0) return this.parameter(name);
    const left = this.parameter<Tensor3D>(`${name}.w_left`);
    const right = this.parameter<Tensor3D>(`${name}.w_right`);
    return addBroadcast(matMul(left, right), mul(0.5, eye(left.shape[1], right.shape[2])));
  }
}

serialization.registerClass(FastWeightAttention);
