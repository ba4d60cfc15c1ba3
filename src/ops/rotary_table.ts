import { type Tensor2D, type Tensor4D, tensor2d } from '@tensorflow/tfjs-core';
import { tableRotaryEmbedding } from '../kernels/sequence/rotary';
import { expected } from '../native/errors';
import { runNativeKernel } from './native_kernel';
import { assertBackend, assertChoice, assertFinite, assertTensor } from './validate';

/** What every pair of features of a token turns by: [tokens, headDim / 2] each. */
export interface RotaryTable {
  cosines: Tensor2D;
  sines: Tensor2D;
}

/** Places along one axis, and how many of a head's pairs turn with that axis. */
export interface RotaryAxis {
  /** The place of each token. */
  positions: ArrayLike<number>;
  /** Pairs of features, 0 or more. */
  pairs: number;
}

/**
 * The table of tokens that stand in a space of several axes, such as a video's frames, rows and
 * columns: a head's pairs are shared out among the axes in order, and pair i of an axis's n turns by
 * position * base^(-i / n) radians. Angles are computed in float64.
 *
 * @param axes each with as many positions
 * @param base of the frequencies
 * @returns new tensors [tokens, pairs of all axes], the caller's to dispose
 * @throws FastWeightError ERR_SHAPE for axes of different lengths, ERR_RANGE for numbers of pairs
 *   that are no counts or a base that is not above 0
 */
export function axialRotaryTable(axes: readonly RotaryAxis[], base = 10000): RotaryTable {
  assertFinite('base', base);
  if (base <= 0) throw expected('ERR_RANGE', 'a number above 0', 'base', String(base));
  const tokens = axes[0]?.positions.length ?? 0;
  let width = 0;
  axes.forEach(({ positions, pairs }, at) => {
    if (!Number.isSafeInteger(pairs) || pairs < 0) {
      throw expected('ERR_RANGE', 'a number of pairs', `axes[${at}].pairs`, String(pairs));
    }
    if (positions.length !== tokens) {
      const name = `axes[${at}].positions`;
      throw expected('ERR_SHAPE', `${tokens} positions`, name, `${positions.length}`);
    }
    width += pairs;
  });
  if (tokens * width === 0) {
    throw expected('ERR_SHAPE', 'tokens and pairs', 'axes', `${tokens} tokens, ${width} pairs`);
  }
  const cosines = new Float32Array(tokens * width);
  const sines = new Float32Array(tokens * width);
  let first = 0;
  for (const { positions, pairs } of axes) {
    for (let pair = 0; pair < pairs; pair++) {
      const frequency = base ** (-pair / pairs);
      for (let token = 0; token < tokens; token++) {
        const angle = positions[token] * frequency;
        cosines[token * width + first + pair] = Math.cos(angle);
        sines[token * width + first + pair] = Math.sin(angle);
      }
    }
    first += pairs;
  }
  const shape: [number, number] = [tokens, width];
  return { cosines: tensor2d(cosines, shape), sines: tensor2d(sines, shape) };
}

/**
 * Rotary position embedding by a table of the caller's, the same for every batch element and head:
 * a pair (a, b) becomes (a cos - b sin, b cos + a sin). Differentiable in x.
 *
 * @param x [batch, tokens, heads, headDim], headDim even
 * @param table [tokens, headDim / 2], such as {@link axialRotaryTable} makes
 * @param options.interleaved pairs are the features (2 i, 2 i + 1); by default (i, i + headDim / 2)
 * @returns shaped as x
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED, ERR_DEVICE_UNAVAILABLE,
 *   ERR_OUT_OF_MEMORY
 */
export function rotaryEmbeddingByTable(
  x: Tensor4D,
  table: RotaryTable,
  options: { interleaved?: boolean } = {},
): Tensor4D {
  assertBackend('rotaryEmbeddingByTable');
  assertTensor('x', x, ['batch', 'tokens', 'heads', 'headDim']);
  const [, tokens, , headDim] = x.shape;
  if (headDim % 2 !== 0) throw expected('ERR_SHAPE', 'an even headDim', 'x', String(headDim));
  const { cosines, sines } = table;
  assertTensor('table.cosines', cosines, [tokens, headDim / 2]);
  assertTensor('table.sines', sines, [tokens, headDim / 2]);
  const { interleaved = false } = options;
  assertChoice('interleaved', interleaved, [true, false]);
  const attrs = { interleaved, inverse: false };
  return runNativeKernel(tableRotaryEmbedding, { x, cosines, sines }, attrs);
}
