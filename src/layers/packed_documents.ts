import {
  concat,
  split,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor2d,
} from '@tensorflow/tfjs-core';
import { expected } from '../native/errors';
import { fastWeightScanOutput } from '../ops/fast_weight_scan';
import type { FastWeights } from '../ops/fast_weight_state';
import { shiftedCausal } from '../ops/programs';
import type { RotaryTable } from '../ops/rotary_table';
import { slidingWindowAttention } from '../ops/sliding_window_attention';
import { storeActivation } from '../ops/store_activation';
import { rotaryTableOf, rotateByRow } from './rotary_positions';
import type { FastWeightSettings, FastWeightTokens, SequenceLayout } from './sequence_layout';

/**
 * Where documents begin and end among a sequence's tokens: 0, then the end of each document, the
 * last of which is the number of tokens; or such a list for each batch element.
 */
export type CuSeqlens = readonly number[] | readonly (readonly number[])[];

const tokenNames = ['q', 'k', 'v', 'rates', 'momentum'] as const;

/**
 * Several documents in each batch element. Attention, positions, chunks and fast weights start
 * anew with each, so that a document has the outputs that it has alone.
 */
export class PackedDocuments implements SequenceLayout {
  /** Tokens of each document, for each batch element. */
  private readonly lengths: number[][];
  private readonly firstKeys: Tensor2D;
  private readonly table: RotaryTable;

  /**
   * Makes tensors, which live as long as the tidy that this is called in.
   *
   * @param shape of the ids, [batch, tokens]
   * @param rotary the model's head width and base
   * @throws FastWeightError ERR_SHAPE, ERR_ARGUMENT
   */
  constructor(
    cuSeqlens: CuSeqlens,
    [batch, tokens]: readonly number[],
    rotary: { headDim: number; base: number },
  ) {
    this.lengths = documentLengths(cuSeqlens, batch, tokens);
    const starts = this.lengths.map((lengths) => {
      let end = 0;
      return lengths.flatMap((length) => {
        end += length;
        return new Array<number>(length).fill(end - length);
      });
    });
    this.firstKeys = tensor2d(starts, [batch, tokens], 'int32');
    const runs = this.lengths.flat().map((length) => ({ tokens: length, start: 0 }));
    this.table = rotaryTableOf(runs, rotary.headDim, rotary.base);
  }

  rotate(x: Tensor4D): Tensor4D {
    return rotateByRow(x, this.table);
  }

  attend(_layer: string, q: Tensor4D, k: Tensor4D, v: Tensor4D, window: number): Tensor4D {
    const { firstKeys } = this;
    return slidingWindowAttention(q, k, v, { firstKeys, window: window > 0 ? window : undefined });
  }

  readFastWeights(
    _layer: string,
    tokens: FastWeightTokens,
    { start, chunk, options }: FastWeightSettings,
  ): Tensor3D {
    const { lengths } = this;
    const weights = start();
    const scan = (each: FastWeightTokens, from: FastWeights, documents: number[]) =>
      joined(
        splitTokens(each, documents, 1).map((document, at) =>
          fastWeightScanOutput(document, from, shiftedCausal(documents[at], chunk), options),
        ),
        1,
      );
    if (lengths.every((each) => String(each) === String(lengths[0]))) {
      return scan(tokens, weights, lengths[0]);
    }
    const heads = new Array<number>(lengths.length).fill(tokens.q.shape[0] / lengths.length);
    const elements = splitTokens(tokens, heads, 0);
    const [w0, w1, w2] = [weights.w0, weights.w1, weights.w2].map((w) =>
      split<Tensor3D>(w, heads, 0),
    );
    const outputs = elements.map((each, at) =>
      scan(each, { w0: w0[at], w1: w1[at], w2: w2[at] }, lengths[at]),
    );
    return joined(outputs, 0);
  }

  predicted(x: Tensor3D): Tensor3D {
    return x;
  }
}

/** The tokens in pieces of these sizes along an axis. */
function splitTokens(tokens: FastWeightTokens, sizes: number[], axis: number): FastWeightTokens[] {
  if (sizes.length === 1) return [tokens];
  const pieces = sizes.map(() => ({}) as FastWeightTokens);
  for (const name of tokenNames) {
    const tensor = tokens[name];
    if (tensor === undefined) continue;
    const isActivation = name === 'q' || name === 'k' || name === 'v';
    split<Tensor3D>(tensor, sizes, axis).forEach((piece, at) => {
      pieces[at][name] = isActivation ? storeActivation(piece) : piece;
    });
  }
  return pieces;
}

function joined<T extends Tensor>(parts: T[], axis: number): T {
  return parts.length === 1 ? parts[0] : concat(parts, axis);
}

/** @throws FastWeightError ERR_SHAPE, ERR_ARGUMENT */
function documentLengths(cuSeqlens: CuSeqlens, batch: number, tokens: number): number[][] {
  if (!Array.isArray(cuSeqlens) || cuSeqlens.length === 0) {
    throw expected('ERR_ARGUMENT', 'the ends of documents', 'cuSeqlens', String(cuSeqlens));
  }
  const perElement = cuSeqlens.every((each) => Array.isArray(each));
  const lists = (perElement ? cuSeqlens : [cuSeqlens]) as readonly number[][];
  if (lists.length !== batch) {
    throw expected('ERR_SHAPE', `a list for each of ${batch}`, 'cuSeqlens', `${lists.length}`);
  }
  return lists.map((ends) => {
    const lengths = ends.slice(1).map((end, at) => end - ends[at]);
    const isRising = lengths.every((length) => Number.isSafeInteger(length) && length > 0);
    if (ends[0] !== 0 || ends[ends.length - 1] !== tokens || !isRising) {
      const expectation = `whole numbers rising from 0 to ${tokens}`;
      throw expected('ERR_ARGUMENT', expectation, 'cuSeqlens', `[${ends}]`);
    }
    return lengths;
  });
}
