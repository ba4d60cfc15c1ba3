import type { Tensor2D } from '@tensorflow/tfjs-core';
import { Random } from '../data/random';
import { expected } from '../native/errors';
import { assertAtLeast, assertInteger, assertTensor } from '../ops/validate';

export interface SamplerOptions {
  /** Logits are divided by it: below 1 the likely tokens grow likelier; 0 takes the likeliest. Default 1. */
  temperature?: number;
  /** Draw from so many of the likeliest tokens; 0 (default) from all. */
  topK?: number;
  /** Draw from the fewest likeliest tokens that have this share of the probability. Default 1. */
  topP?: number;
  /** Sequence b of a batch draws from the random sequence of seed + b. Default 0. */
  seed?: number;
}

/** Draws next tokens from logits: the same ones for the same seed and logits, on every machine. */
export class Sampler {
  private readonly temperature: number;
  private readonly topK: number;
  private readonly topP: number;
  private readonly seed: number;
  private readonly randoms: Random[] = [];

  /** @throws FastWeightError ERR_ARGUMENT, ERR_RANGE */
  constructor({ temperature = 1, topK = 0, topP = 1, seed = 0 }: SamplerOptions = {}) {
    assertAtLeast('temperature', temperature, 0);
    assertInteger('topK', topK, 0);
    assertAtLeast('topP', topP, 0);
    if (topP === 0 || topP > 1) throw expected('ERR_RANGE', 'a share in (0, 1]', 'topP', `${topP}`);
    this.randoms.push(new Random(seed));
    this.temperature = temperature;
    this.topK = topK;
    this.topP = topP;
    this.seed = seed;
  }

  /**
   * @param logits [batch, vocabSize]
   * @returns a token for each sequence
   * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT; ERR_NON_FINITE for
   * logits among which is NaN or no finite one
   */
  draw(logits: Tensor2D): number[] {
    assertTensor('logits', logits, ['batch', 'vocabSize']);
    const [batch, vocabSize] = logits.shape;
    const values = logits.dataSync<'float32'>();
    return Array.from({ length: batch }, (_, b) => {
      this.randoms[b] ??= new Random(this.seed + b);
      return this.drawOne(values.subarray(b * vocabSize, (b + 1) * vocabSize), this.randoms[b]);
    });
  }

  private drawOne(logits: Float32Array, random: Random): number {
    let largest = Number.NEGATIVE_INFINITY;
    let likeliest = 0;
    logits.forEach((logit, token) => {
      if (Number.isNaN(logit)) throw expected('ERR_NON_FINITE', 'numbers', 'logits', 'NaN');
      if (logit > largest) [largest, likeliest] = [logit, token];
    });
    if (!Number.isFinite(largest)) {
      throw expected('ERR_NON_FINITE', 'a finite number', 'logits', `${largest}`);
    }
    if (this.temperature === 0) return likeliest;
    const weights = Float64Array.from(logits, (logit) =>
      Math.exp((logit - largest) / this.temperature),
    );
    return pick(this.candidates(weights), weights, random.uniform());
  }

  /** The tokens to draw from, the likeliest first where only some are. */
  private candidates(weights: Float64Array): ArrayLike<number> {
    const all = Uint32Array.from(weights, (_, token) => token);
    const isCut = this.topK > 0 && this.topK < all.length;
    if (!isCut && this.topP === 1) return all;
    // Equal ones in the order of their numbers: the sort is stable.
    let kept = all.sort((a, b) => weights[b] - weights[a]);
    if (isCut) kept = kept.subarray(0, this.topK);
    if (this.topP === 1) return kept;
    return kept.subarray(0, countOfShare(kept, weights, this.topP));
  }
}

/** How many of the tokens, from the first on, have `share` of the weight of all of them. */
function countOfShare(tokens: Uint32Array, weights: Float64Array, share: number): number {
  let left = share * tokens.reduce((sum, token) => sum + weights[token], 0);
  let count = 0;
  while (left > 0 && count < tokens.length) {
    left -= weights[tokens[count]];
    count++;
  }
  return count;
}

/** The token within which `share`, in [0, 1), of the candidates' weights lies. */
function pick(candidates: ArrayLike<number>, weights: Float64Array, share: number): number {
  let total = 0;
  for (let at = 0; at < candidates.length; at++) total += weights[candidates[at]];
  let left = share * total;
  for (let at = 0; at < candidates.length - 1; at++) {
    left -= weights[candidates[at]];
    if (left < 0) return candidates[at];
  }
  return candidates[candidates.length - 1];
}
