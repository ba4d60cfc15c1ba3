import { clone, dispose, keep, type Tensor4D } from '@tensorflow/tfjs-core';
import type { FastWeightState } from '../ops/fast_weight_state';
import { assertBackend } from '../ops/validate';

/** What an attention layer remembers of the tokens before. */
export interface LayerMemory {
  /**
   * The rotated keys, and the values, that the window still reaches, [batch, tokens, heads,
   * headDim]. A sequence that has fewer than `tokens` has them last.
   */
  keys?: { k: Tensor4D; v: Tensor4D };
  /** The fast weights, a row for each head of each sequence. */
  state?: FastWeightState;
}

/** What the attention layers of a model remember of sequences that are read call by call. */
export class SequenceMemory {
  private readonly layers = new Map<string, LayerMemory>();

  /** @param positions tokens read so far of each sequence */
  constructor(readonly positions: number[]) {}

  /** By name of layer, in the order in which the layers were first called. */
  get entries(): ReadonlyMap<string, LayerMemory> {
    return this.layers;
  }

  of(layer: string): LayerMemory {
    const known = this.layers.get(layer);
    if (known) return known;
    const memory: LayerMemory = {};
    this.layers.set(layer, memory);
    return memory;
  }

  /** Takes the keys and values over, out of every tidy, and frees those that they replace. */
  rememberKeys(layer: string, keys: LayerMemory['keys']): void {
    const memory = this.of(layer);
    if (memory.keys) dispose([memory.keys.k, memory.keys.v]);
    memory.keys = keys && { k: keep(keys.k), v: keep(keys.v) };
  }

  /** An independent memory of the same values, which shares what neither changes. */
  fork(): SequenceMemory {
    const copy = new SequenceMemory([...this.positions]);
    for (const [layer, { keys, state }] of this.layers) {
      if (keys) copy.rememberKeys(layer, { k: clone(keys.k), v: clone(keys.v) });
      copy.of(layer).state = state?.fork().keep();
    }
    return copy;
  }

  /** Bytes of all tensors. */
  get bytes(): number {
    const backend = assertBackend('session');
    let bytes = 0;
    for (const { keys, state } of this.layers.values()) {
      bytes += state?.bytes ?? 0;
      if (keys) bytes += backend.bytesOf(keys.k) + backend.bytesOf(keys.v);
    }
    return bytes;
  }

  dispose(): void {
    for (const { keys, state } of this.layers.values()) {
      if (keys) dispose([keys.k, keys.v]);
      state?.dispose();
    }
    this.layers.clear();
  }
}
