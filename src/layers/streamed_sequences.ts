import {
  concat,
  slice,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor2d,
  zeros,
} from '@tensorflow/tfjs-core';
import { copyRanges } from '../kernels/copy_ranges';
import { fastWeightAdvance } from '../ops/fast_weight_advance';
import { FastWeightState } from '../ops/fast_weight_state';
import { rotaryEmbedding } from '../ops/rotary_embedding';
import type { RotaryTable } from '../ops/rotary_table';
import { slidingWindowAttention } from '../ops/sliding_window_attention';
import { storeActivation } from '../ops/store_activation';
import { assertBackend } from '../ops/validate';
import { rotaryTableOf, rotateByRow } from './rotary_positions';
import type { FastWeightSettings, FastWeightTokens, SequenceLayout } from './sequence_layout';
import type { LayerMemory, SequenceMemory } from './sequence_memory';

/** The attention of the model whose sequences are streamed, the same in all its layers. */
export interface StreamSettings {
  headDim: number;
  /** Base of the rotary embedding. */
  base: number;
  /** Tokens that a token sees, itself included; 0 for all before it. */
  window: number;
}

/**
 * The next tokens of sequences of which a memory holds what came before; reading them changes the
 * memory. A sequence's tokens are the last `counts[b]` of [batch, tokens], behind padding.
 */
export class StreamedSequences implements SequenceLayout {
  private readonly isEven: boolean;
  /** Columns of the keys: those of the memory, then the call's. */
  private readonly keyTokens: number;
  /** Keys of each sequence that the memory has and the call can see. */
  private readonly cached: number[];
  private readonly firstKeys?: Tensor2D;
  /** Where the sequences stand at different places. */
  private readonly table?: RotaryTable;

  /**
   * Makes tensors, which live as long as the tidy that this is called in.
   *
   * @param allLogits whether logits are wanted of all tokens, not of each sequence's last alone
   */
  constructor(
    private readonly memory: SequenceMemory,
    private readonly counts: readonly number[],
    private readonly tokens: number,
    private readonly settings: StreamSettings,
    private readonly allLogits: boolean,
  ) {
    const { positions } = memory;
    this.isEven = counts.every((count) => count === tokens);
    this.cached = positions.map((position) => Math.min(position, this.mostCached));
    this.keyTokens = Math.max(...this.cached) + tokens;
    // In an uneven call the keys are laid out anew, as few as there are; else they stay aligned.
    const firstKeys = counts.map((count, b) => this.keyTokens - this.cached[b] - count);
    if (firstKeys.some((first) => first > 0)) this.firstKeys = this.firstKeysOf(firstKeys);
    if (!this.isEven || positions.some((position) => position !== positions[0])) {
      this.table = this.tableOf(positions);
    }
  }

  rotate(x: Tensor4D, base: number): Tensor4D {
    if (this.table) return rotateByRow(x, this.table);
    return rotaryEmbedding(x, { base, offset: this.memory.positions[0] });
  }

  attend(layer: string, q: Tensor4D, k: Tensor4D, v: Tensor4D, window: number): Tensor4D {
    const { keys } = this.memory.of(layer);
    const [allK, allV] = [this.joined(keys?.k, k), this.joined(keys?.v, v)];
    const { firstKeys } = this;
    const options = { firstKeys, window: window > 0 ? window : undefined };
    const output = slidingWindowAttention(q, allK, allV, options);
    this.memory.rememberKeys(layer, this.reachable(allK, allV));
    return output;
  }

  readFastWeights(
    layer: string,
    tokens: FastWeightTokens,
    { start, chunk, options }: FastWeightSettings,
  ): Tensor3D {
    const memory = this.memory.of(layer);
    memory.state ??= new FastWeightState({ weights: start() }).keep();
    const heads = tokens.q.shape[0] / this.counts.length;
    const counts = this.isEven
      ? undefined
      : this.counts.flatMap((count) => new Array<number>(heads).fill(count));
    return fastWeightAdvance(tokens, memory.state, chunk, { ...options, counts });
  }

  predicted(x: Tensor3D): Tensor3D {
    if (this.allLogits || this.tokens === 1) return x;
    return slice(x, [0, this.tokens - 1, 0], [-1, 1, -1]);
  }

  /** Takes note that every layer has read the tokens. */
  finish(): void {
    this.counts.forEach((count, b) => {
      this.memory.positions[b] += count;
    });
  }

  /** Keys that a later token can see. */
  private get mostCached(): number {
    const { window } = this.settings;
    return window > 0 ? window - 1 : Number.POSITIVE_INFINITY;
  }

  /** By each query's place among the keys; padding sees itself at least. */
  private firstKeysOf(firstKeys: number[]): Tensor2D {
    const { tokens, keyTokens } = this;
    const rows = firstKeys.map((first) =>
      Array.from({ length: tokens }, (_, at) => Math.min(first, keyTokens - tokens + at)),
    );
    return tensor2d(rows, [rows.length, tokens], 'int32');
  }

  private tableOf(positions: readonly number[]): RotaryTable {
    const runs = this.counts.flatMap((count, b) => [
      { tokens: this.tokens - count },
      { tokens: count, start: positions[b] },
    ]);
    const { headDim, base } = this.settings;
    return rotaryTableOf(
      runs.filter(({ tokens }) => tokens > 0),
      headDim,
      base,
    );
  }

  /** The memory's keys or values and the call's behind them, each sequence's at its end. */
  private joined(before: Tensor4D | undefined, now: Tensor4D): Tensor4D {
    if (before === undefined) return now;
    if (this.isEven) return concat([before, now], 1);
    const { counts, cached, keyTokens, tokens } = this;
    const [batch, columns, heads, headDim] = before.shape;
    const all = zeros([batch, keyTokens, heads, headDim]) as Tensor4D;
    const backend = assertBackend('session');
    const width = heads * headDim;
    const ranges = (from: Tensor4D, most: number, of: readonly number[], behind: number[]) =>
      copyRanges(
        backend,
        from,
        all,
        width,
        of.map((count, b) => [
          (b + 1) * most - count,
          (b + 1) * keyTokens - behind[b] - count,
          count,
        ]),
      );
    ranges(before, columns, cached, [...counts]);
    ranges(
      now,
      tokens,
      counts,
      counts.map(() => 0),
    );
    return all;
  }

  /** What of the keys and values a later token can see. */
  private reachable(k: Tensor4D, v: Tensor4D): LayerMemory['keys'] {
    const most = Math.max(...this.cached.map((cached, b) => cached + this.counts[b]));
    const kept = Math.min(most, this.mostCached);
    if (kept === 0) return undefined;
    const start = k.shape[1] - kept;
    const last = (x: Tensor4D): Tensor4D =>
      storeActivation(slice(x, [0, start, 0, 0], [-1, kept, -1, -1]));
    return { k: last(k), v: last(v) };
  }
}
