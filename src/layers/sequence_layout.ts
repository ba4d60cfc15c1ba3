import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { type FastWeightScanOptions, fastWeightScanOutput } from '../ops/fast_weight_scan';
import type { FastWeights } from '../ops/fast_weight_state';
import { shiftedCausal } from '../ops/programs';
import { rotaryEmbedding } from '../ops/rotary_embedding';
import { slidingWindowAttention } from '../ops/sliding_window_attention';

/** Token inputs of an attention layer's fast weights; a row is one head of one batch element. */
export interface FastWeightTokens {
  q: Tensor3D;
  k: Tensor3D;
  v: Tensor3D;
  rates: Tensor3D;
  momentum?: Tensor3D;
}

/** How an attention layer's fast weights are written. */
export interface FastWeightSettings {
  /** Tokens of a chunk. */
  chunk: number;
  options: FastWeightScanOptions;
  /** The weights before the first token, of every row. */
  start: () => FastWeights;
}

/**
 * How the tokens [batch, tokens] of a call make up sequences, and what came before them. A layer
 * takes it as `sequence` among the call's arguments: `model.apply(ids, { sequence })`.
 */
export interface SequenceLayout {
  /** x [batch, tokens, heads, headDim], each token turned by its place in its sequence. */
  rotate(x: Tensor4D, base: number): Tensor4D;
  /**
   * Causal attention among the tokens of one sequence.
   *
   * @param layer name of the layer
   * @param q, k, v [batch, tokens, heads, headDim]
   * @param window tokens that a token sees, itself included; 0 for all before it
   */
  attend(layer: string, q: Tensor4D, k: Tensor4D, v: Tensor4D, window: number): Tensor4D;
  /** Fast weights in shifted block-causal order: [rows, tokens, dim]. */
  readFastWeights(layer: string, tokens: FastWeightTokens, settings: FastWeightSettings): Tensor3D;
  /** The tokens of x [batch, tokens, hiddenSize] whose logits are wanted. */
  predicted(x: Tensor3D): Tensor3D;
}

/** What a layer of this package may be called with. */
export interface SequenceArguments {
  sequence?: SequenceLayout;
}

/** Every batch element is one sequence from its first token on. */
export const wholeSequences: SequenceLayout = {
  rotate: (x, base) => rotaryEmbedding(x, { base }),
  attend: (_layer, q, k, v, window) =>
    slidingWindowAttention(q, k, v, { window: window > 0 ? window : undefined }),
  readFastWeights: (_layer, tokens, { chunk, options, start }) =>
    fastWeightScanOutput(tokens, start(), shiftedCausal(tokens.q.shape[1], chunk), options),
  predicted: (x) => x,
};
