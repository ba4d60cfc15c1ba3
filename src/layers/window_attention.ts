import { concat, type Rank, slice, type Tensor, type Tensor4D, tile } from '@tensorflow/tfjs-core';
import { attention } from '../ops/attention';
import { storeActivation } from '../ops/store_activation';
import { reshape } from './lean_ops';

/** How a sequence of windows is laid out. */
export interface WindowLayout {
  /** Tokens of a window. */
  tokens: number;
  /** Noisy windows of a time, before its clean one. */
  numRepeat: number;
  /** Last tokens of a clean window that the noisy windows after it see. */
  cacheTokens: number;
}

/** Attention, which keeps its inputs for the backward. */
function attend(...qkv: [q: Tensor4D, k: Tensor4D, v: Tensor4D]): Tensor4D {
  const [q, k, v] = qkv.map(storeActivation);
  return attention(q, k, v);
}

/** [batch, tokens, heads, headDim] -> [windows, tokens of one, heads, headDim] */
function byWindow(x: Tensor, tokens: number): Tensor4D {
  const [heads, headDim] = x.shape.slice(-2);
  return reshape<Rank.R4>(x, [-1, tokens, heads, headDim]);
}

/** Tokens [start, end) of x [batch, tokens, heads, headDim]. */
function tokensOf(x: Tensor4D, start: number, end = x.shape[1]): Tensor4D {
  return slice(x, [0, start, 0, 0], [-1, end - start, -1, -1]);
}

/** The tokens of a stride, one batch element for each stride: those after the first noisy windows. */
function strides(x: Tensor4D, { tokens, numRepeat }: WindowLayout): Tensor4D {
  const first = numRepeat * tokens;
  return byWindow(tokensOf(x, first), (numRepeat + 1) * tokens);
}

/**
 * Attention among interleaved noisy and clean windows: the noisy windows of the first time, then for
 * each time the clean window of the time before and the noisy windows. A window sees itself; a noisy
 * one also the end of the clean window before it.
 *
 * @param q, k, v [batch, tokens of all windows, heads, headDim]
 * @returns shaped as q
 */
export function interleavedWindowAttention([q, k, v]: Tensor4D[], layout: WindowLayout): Tensor4D {
  const { tokens, numRepeat, cacheTokens } = layout;
  const [batch, all, heads, headDim] = q.shape;
  const first = numRepeat * tokens;
  if (all === first) {
    const [ownQ, ownK, ownV] = [q, k, v].map((x) => byWindow(x, tokens));
    return reshape<Rank.R4>(attend(ownQ, ownK, ownV), q.shape);
  }
  const later = [q, k, v].map((x) => strides(x, layout));
  // The windows that see themselves alone, in one batch: the first noisy ones and every clean one.
  const [ownQ, ownK, ownV] = [q, k, v].map((x, at) =>
    concat([byWindow(tokensOf(x, 0, first), tokens), tokensOf(later[at], 0, tokens)], 0),
  );
  const own = attend(ownQ, ownK, ownV);
  const [noisyQ, noisyK, noisyV] = later.map((x) => byWindow(tokensOf(x, tokens), tokens));
  const before = (x: Tensor4D): Tensor4D => {
    const clean = tokensOf(x, tokens - cacheTokens, tokens);
    return byWindow(tile(clean, [1, numRepeat, 1, 1]), cacheTokens);
  };
  const seen = attend(
    noisyQ,
    concat([before(later[1]), noisyK], 1),
    concat([before(later[2]), noisyV], 1),
  );
  const count = batch * numRepeat;
  const start = slice(own, [0, 0, 0, 0], [count, -1, -1, -1]);
  const clean = slice(own, [count, 0, 0, 0], [-1, -1, -1, -1]);
  const rest = concat([clean, byWindow(seen, first)], 1);
  return concat(
    [
      reshape(start, [batch, first, heads, headDim]),
      reshape(rest, [batch, all - first, heads, headDim]),
    ],
    1,
  );
}

/**
 * Attention of one window: it sees itself and, where `before` is given, the tokens before it.
 *
 * @param q, k, v [batch, tokens, heads, headDim]
 * @param before k and v [batch, tokens before, heads, headDim]
 */
export function singleWindowAttention(
  [q, k, v]: Tensor4D[],
  before?: { k: Tensor4D; v: Tensor4D },
): Tensor4D {
  if (before === undefined) return attend(q, k, v);
  return attend(q, concat([before.k, k], 1), concat([before.v, v], 1));
}
