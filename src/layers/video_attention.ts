import {
  dispose,
  keep,
  mul,
  type Rank,
  serialization,
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
import type { Shape } from '@tensorflow/tfjs-layers';
import { expected } from '../native/errors';
import { silu, stepSizes } from '../ops/activations';
import { fastWeightApply } from '../ops/fast_weight_apply';
import {
  type FastWeightInputs,
  type FastWeightScanOptions,
  fastWeightScan,
  fastWeightScanOutput,
} from '../ops/fast_weight_scan';
import type { FastWeights } from '../ops/fast_weight_state';
import { l2Norm, rmsNorm } from '../ops/norms';
import { interleaved, updateThenApply } from '../ops/programs';
import { axialRotaryTable, type RotaryTable, rotaryEmbeddingByTable } from '../ops/rotary_table';
import { storeActivation } from '../ops/store_activation';
import { fromRows, joinHeads, splitHeads, toRows } from './heads';
import { add, reshape, scaleShift } from './lean_ops';
import { linear, storedLinear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import type { ParameterSpec } from './parameter_spec';
import {
  type VideoAttentionConfig,
  videoAttentionParameters,
  windowTokens,
} from './video_attention_config';
import type { VideoCache } from './video_cache';
import { interleavedWindowAttention, singleWindowAttention } from './window_attention';

/** Step size that a zero projection gives. */
const baseStepSize = 0.001;

/** Token inputs of a layer without momentum. */
type FastTokens = Required<Omit<FastWeightInputs, 'momentum'>>;

/** Frame, row and column of the tokens of windows at these times, an array for each axis. */
function places(times: number[], config: VideoAttentionConfig): number[][] {
  const axes: number[][] = [[], [], []];
  for (const time of times) {
    for (let frame = 0; frame < config.windowFrames; frame++) {
      for (let row = 0; row < config.gridHeight; row++) {
        for (let column = 0; column < config.gridWidth; column++) {
          axes[0].push(time * config.windowFrames + frame);
          axes[1].push(row);
          axes[2].push(column);
        }
      }
    }
  }
  return axes;
}

/**
 * The LaCT layer of autoregressive video diffusion: window attention and fast weights on the same q,
 * k and v, added before the output projection. [batch, windows, tokens of a window, dim] -> the same
 * shape.
 *
 * Called as it is, it takes the interleaved order of teacher forcing: for each window of the video
 * its `numRepeat` noisy versions, then the clean one; the last clean one is left out. Called with
 * `{ videoCache }` it takes the one window that comes next, see {@link VideoCache}.
 *
 * Source: "Test-Time Training Done Right" (arXiv 2505.23884), section 4.3; published as
 * `ARFastWeightSwiGLU`.
 */
export class VideoAttention extends ParameterLayer {
  static readonly className = 'FastWeightVideoAttention';
  private readonly config: VideoAttentionConfig;
  private readonly tokens: number;
  /** The rotary table of the times that were asked for last. */
  private table?: RotaryTable & { times: string };

  constructor(args: VideoAttentionConfig & ParameterLayerArgs) {
    const { name, trainable, seed, ...config } = args;
    super({ name, trainable, seed });
    this.config = config;
    this.tokens = windowTokens(config);
  }

  protected override parameters(): ParameterSpec[] {
    return videoAttentionParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config } as unknown as serialization.ConfigDict;
  }

  override dispose(): ReturnType<ParameterLayer['dispose']> {
    this.forgetTable();
    return super.dispose();
  }

  override call(inputs: Tensor | Tensor[], kwargs?: { videoCache?: VideoCache }): Tensor {
    return tidy(() => {
      const x = onlyInput<Tensor4D>(inputs);
      const [batch, windows, tokens, dim] = x.shape;
      this.checkWindows(x.shape, kwargs?.videoCache);
      const flat = reshape<Rank.R3>(x, [batch, windows * tokens, dim]);
      const [q, k] = ['q', 'k'].map((name) =>
        this.normed(this.storedLinear(name, flat), `norm_${name}`),
      );
      const v = this.storedLinear('v', flat);
      const cache = kwargs?.videoCache;
      const table = this.tableOf(cache ? [cache.windows] : this.timesOf(windows));
      const heads = [
        this.rotated(q, table),
        this.rotated(k, table),
        splitHeads(v, this.config.numHeads),
      ];
      const fast = this.fastInputs(flat, [q, k, v], table);
      const [attended, read] = cache
        ? this.nextWindow(heads, fast, cache)
        : this.allWindows(heads, fast);
      const normed = fromRows(this.normed(storeActivation(read), 'output_norm'), this.fastHeads);
      const sum = storeActivation(add(joinHeads(attended), this.scaled(flat, normed)));
      return reshape(this.storedLinear('o', sum), x.shape);
    });
  }

  private checkWindows([, windows, tokens]: Shape, cache?: VideoCache): void {
    const { numRepeat } = this.config;
    if (tokens !== this.tokens) {
      throw expected('ERR_SHAPE', `windows of ${this.tokens} tokens`, 'x', `${tokens}`);
    }
    if (cache !== undefined && windows !== 1) {
      throw expected('ERR_SHAPE', '1 window beside a cache', 'x', `${windows}`);
    }
    if (cache === undefined && (windows as number) % (numRepeat + 1) !== numRepeat) {
      const wanted = `a multiple of ${numRepeat + 1} windows less 1`;
      throw expected('ERR_SHAPE', wanted, 'x', `${windows}`);
    }
  }

  /** The time in the video of each window of the interleaved order. */
  private timesOf(windows: number): number[] {
    const stride = this.config.numRepeat + 1;
    return Array.from({ length: windows }, (_, index) => Math.floor(index / stride));
  }

  private tableOf(times: number[]): RotaryTable {
    const key = times.join();
    if (this.table?.times !== key) {
      this.forgetTable();
      const { dim, numHeads } = this.config;
      const pairs = dim / numHeads / 2;
      const third = Math.floor(pairs / 3);
      const shares = [pairs - 2 * third, third, third];
      const axes = places(times, this.config).map((positions, axis) => ({
        positions,
        pairs: shares[axis],
      }));
      const { cosines, sines } = axialRotaryTable(axes);
      this.table = { times: key, cosines: keep(cosines), sines: keep(sines) };
    }
    return this.table as RotaryTable;
  }

  private forgetTable(): void {
    if (this.table !== undefined) dispose([this.table.cosines, this.table.sines]);
    this.table = undefined;
  }

  /** A projection to a few numbers a token, which stay float32. */
  private linear(name: string, x: Tensor3D): Tensor3D {
    return linear(x, ...this.linearParameters(name));
  }

  private storedLinear(name: string, x: Tensor3D): Tensor3D {
    return storedLinear(x, ...this.linearParameters(name));
  }

  private linearParameters(name: string): [weight: Tensor2D, bias: Tensor1D] {
    return [this.parameter(`${name}.weight`), this.parameter(`${name}.bias`)];
  }

  private normed(x: Tensor3D, name: string): Tensor3D {
    const weight = this.parameter<Tensor1D>(`${name}.weight`);
    return rmsNorm(x, weight, this.config.eps, { stored: true });
  }

  /** x [batch, tokens, dim] -> [batch, tokens, numHeads, headDim], each head rotated. */
  private rotated(x: Tensor3D, table: RotaryTable): Tensor4D {
    const heads = splitHeads(x, this.config.numHeads);
    return rotaryEmbeddingByTable(heads, table, { interleaved: true });
  }

  private get fastHeads(): number {
    return this.config.dim / this.config.fwHeadDim;
  }

  private fastInputs(x: Tensor3D, [q, k, v]: Tensor3D[], table: RotaryTable): FastTokens {
    return {
      q: this.fastQueryOrKey(q, 0, table),
      k: this.fastQueryOrKey(k, 1, table),
      v: storeActivation(toRows(this.config.qkvSilu ? silu(v) : v, this.fastHeads)),
      rates: toRows(stepSizes(this.linear('lr_proj', x), baseStepSize), this.fastHeads),
    };
  }

  /** The q (column 0) or k (column 1) of the fast weights, [batch * heads, tokens, fwHeadDim]. */
  private fastQueryOrKey(x: Tensor3D, column: number, table: RotaryTable): Tensor3D {
    const channel = (name: string): Tensor1D =>
      squeeze(slice(this.parameter<Tensor2D>(name), [0, column], [-1, 1]), [1]);
    const scaled = scaleShift(x, channel('qk_scale'), channel('qk_offset'));
    let rows = storeActivation(toRows(joinHeads(this.rotated(scaled, table)), this.fastHeads));
    if (this.config.qkL2norm) rows = l2Norm(rows, undefined, { stored: true });
    return this.config.qkvSilu ? silu(rows, { stored: true }) : rows;
  }

  private get scanOptions(): FastWeightScanOptions {
    const { useMuon, newtonSchulz } = this.config;
    return { optimizer: useMuon ? 'muon' : 'gd', newtonSchulz };
  }

  /** The initial fast weights of every row. */
  private startingWeights(rows: number): FastWeights {
    const batch = rows / this.fastHeads;
    const weights = (name: string): Tensor3D => tile(this.parameter<Tensor3D>(name), [batch, 1, 1]);
    return { w0: weights('w0'), w1: weights('w1'), w2: weights('w2') };
  }

  private allWindows(heads: Tensor4D[], fast: FastTokens): [Tensor4D, Tensor3D] {
    const { tokens } = this;
    const { numRepeat } = this.config;
    const [rows, all] = fast.q.shape;
    const program = interleaved(all, tokens, (numRepeat + 1) * tokens);
    const layout = { tokens, numRepeat, cacheTokens: this.cacheTokens };
    return [
      interleavedWindowAttention(heads, layout),
      fastWeightScanOutput(fast, this.startingWeights(rows), program, this.scanOptions),
    ];
  }

  private get cacheTokens(): number {
    return this.config.kvCacheSize === -1 ? this.tokens : this.config.kvCacheSize;
  }

  /** The window that comes next: a noisy one reads the memory, a clean one is written to it. */
  private nextWindow(heads: Tensor4D[], fast: FastTokens, cache: VideoCache): [Tensor4D, Tensor3D] {
    const { tokens } = this;
    const memory = cache.memoryOf(this.name);
    const from = memory?.state ?? this.startingWeights(fast.q.shape[0]);
    if (!cache.writing) {
      return [singleWindowAttention(heads, memory), fastWeightApply(fast.q, from)];
    }
    const program = updateThenApply(tokens, tokens);
    const { output, state } = fastWeightScan(fast, from, program, this.scanOptions);
    const last = (x: Tensor4D) =>
      storeActivation(slice(x, [0, tokens - this.cacheTokens, 0, 0], [-1, -1, -1, -1]));
    cache.remember(this.name, { state, k: last(heads[1]), v: last(heads[2]) });
    return [singleWindowAttention(heads), output];
  }

  private scaled(x: Tensor3D, read: Tensor3D): Tensor3D {
    if (!this.config.learnableTttScale) return read;
    return mul(read, silu(this.linear('ttt_scale_proj', x)));
  }
}

serialization.registerClass(VideoAttention);
