import { expected } from '../native/errors';

const rotateLeft = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits));

/** The four words that a seed starts from, by the SplitMix32 sequence. */
function wordsOf(seed: number): Int32Array {
  let counter = seed | 0;
  return Int32Array.from({ length: 4 }, () => {
    counter = (counter + 0x9e3779b9) | 0;
    let word = Math.imul(counter ^ (counter >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return word ^ (word >>> 16);
  });
}

/**
 * A random sequence that can be saved and gone on from: xoshiro128** (Blackman and Vigna,
 * "Scrambled linear pseudorandom number generators", 2021).
 */
export class Random {
  private words: Int32Array;

  /** @param seed an integer; the same one gives the same sequence on every machine. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) {
      throw expected('ERR_ARGUMENT', 'an integer', 'seed', `${seed}`);
    }
    this.words = wordsOf(seed);
  }

  /** Whether `restore` takes these words: four that are not all 0. */
  static isState(words: Int32Array): boolean {
    return words.length === 4 && words.some((word) => word !== 0);
  }

  /** Four words that `restore` goes on from. */
  save(): Int32Array {
    return this.words.slice();
  }

  /**
   * Goes on from where the sequence was at `save`.
   *
   * @throws FastWeightError ERR_ARGUMENT for anything but four words that are not all 0.
   */
  restore(words: Int32Array): void {
    if (!Random.isState(words)) {
      const got = `[${words.join(', ')}]`;
      throw expected('ERR_ARGUMENT', 'four words, not all 0', 'the random state', got);
    }
    this.words = Int32Array.from(words);
  }

  /** An integer in [0, 2^32). */
  word(): number {
    const s = this.words;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9);
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotateLeft(s[3], 11);
    return result >>> 0;
  }

  /** A number in [0, 1), of 32 random bits. */
  uniform(): number {
    return this.word() / 2 ** 32;
  }

  /**
   * An integer in [0, end), each equally likely.
   *
   * @throws FastWeightError ERR_RANGE for an end that is not an integer in [1, 2^32].
   */
  integer(end: number): number {
    if (!Number.isSafeInteger(end) || end < 1 || end > 2 ** 32) {
      throw expected('ERR_RANGE', 'an integer in [1, 2^32]', 'end', `${end}`);
    }
    // Words past the last whole multiple of `end` would make the small integers likelier.
    const limit = 2 ** 32 - (2 ** 32 % end);
    let word = this.word();
    while (word >= limit) word = this.word();
    return word % end;
  }
}
