import { concat, ones, type Rank, slice, type Tensor4D, tidy, zeros } from '@tensorflow/tfjs-core';
import { rotaryEmbedding } from '../ops/rotary_embedding';
import { type RotaryTable, rotaryEmbeddingByTable } from '../ops/rotary_table';
import { reshape } from './lean_ops';

/** Tokens that follow one another, from a position on; none at all are padding. */
export interface PositionRun {
  tokens: number;
  /** Position of the first; undefined for padding. */
  start?: number;
}

/**
 * The table by which tokens turn whose positions are runs of successive ones. Its numbers are those
 * of `rotaryEmbedding`, bit for bit.
 *
 * @param runs in the tokens' order
 * @returns new tensors [tokens of all runs, headDim / 2]
 */
export function rotaryTableOf(
  runs: readonly PositionRun[],
  headDim: number,
  base: number,
): RotaryTable {
  const [cosines, sines] = tidy(() => {
    const half = headDim / 2;
    const turned = runs.map(({ tokens, start }) => {
      if (start === undefined) return zeros([1, tokens, 1, headDim]);
      // A pair (1, 0) turns into (cos, sin).
      const units = concat([ones([1, tokens, 1, half]), zeros([1, tokens, 1, half])], 3);
      return rotaryEmbedding(units as Tensor4D, { base, offset: start });
    });
    const table = turned.length === 1 ? turned[0] : concat(turned, 1);
    return [0, half].map((first) =>
      reshape(slice(table, [0, 0, 0, first], [-1, -1, -1, half]), [-1, half]),
    );
  });
  return { cosines, sines } as RotaryTable;
}

/** x [batch, tokens, heads, headDim] turned by a table of batch * tokens rows. */
export function rotateByRow(x: Tensor4D, table: RotaryTable): Tensor4D {
  const [batch, tokens, heads, headDim] = x.shape;
  const flat = reshape<Rank.R4>(x, [1, batch * tokens, heads, headDim]);
  return reshape<Rank.R4>(rotaryEmbeddingByTable(flat, table), x.shape);
}
