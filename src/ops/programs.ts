import { expected } from '../native/errors';

/** One step of a program: write or read the fast weights with tokens [start, end). */
export interface ProgramStep {
  kind: 'update' | 'apply';
  start: number;
  end: number;
}

/** The ordered updates and applies of a fast-weight layer over the token axis. */
export type Program = readonly ProgramStep[];

function assertCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw expected('ERR_PROGRAM', `an integer of at least ${least}`, name, String(value));
  }
}

const update = (start: number, end: number): ProgramStep => ({ kind: 'update', start, end });
const apply = (start: number, end: number): ProgramStep => ({ kind: 'apply', start, end });

/** [start, end) of each chunk of `tokens` tokens; the last may be shorter. */
function chunks(tokens: number, chunk: number): [number, number][] {
  assertCount('tokens', tokens, 1);
  assertCount('chunk', chunk, 1);
  return Array.from({ length: Math.ceil(tokens / chunk) }, (_, index) => [
    index * chunk,
    Math.min(tokens, (index + 1) * chunk),
  ]);
}

/**
 * Language model, shifted block-causal: each chunk is read with the weights that the chunks before
 * it wrote, then written; the last chunk is only read (LaCT, arXiv 2505.23884, section 3).
 *
 * @param tokens length of the sequence, at least 1
 * @param chunk tokens of a chunk, at least 1
 * @throws FastWeightError ERR_PROGRAM
 */
export function shiftedCausal(tokens: number, chunk: number): ProgramStep[] {
  const ranges = chunks(tokens, chunk);
  return ranges.flatMap(([start, end], index) =>
    index < ranges.length - 1 ? [apply(start, end), update(start, end)] : [apply(start, end)],
  );
}

/**
 * The ordinary order of test-time training: each chunk is written, then read.
 *
 * @throws FastWeightError ERR_PROGRAM
 */
export function updateThenApply(tokens: number, chunk: number): ProgramStep[] {
  return chunks(tokens, chunk).flatMap(([start, end]) => [update(start, end), apply(start, end)]);
}

/**
 * A set without order: all tokens are written, then all are read.
 *
 * @throws FastWeightError ERR_PROGRAM
 */
export function bidirectional(tokens: number): ProgramStep[] {
  assertCount('tokens', tokens, 1);
  return [update(0, tokens), apply(0, tokens)];
}

/**
 * View synthesis: the context's tokens, which come first, are written, then all tokens are read.
 *
 * @param context tokens to write, at most `tokens`
 * @throws FastWeightError ERR_PROGRAM
 */
export function contextThenAll(context: number, tokens: number): ProgramStep[] {
  assertCount('context', context, 1);
  assertCount('tokens', tokens, context);
  return [update(0, context), apply(0, tokens)];
}

/**
 * Autoregressive video with interleaved noisy and clean windows: the first noisy windows are read;
 * then each stride's clean tokens, which come first in it, are written and the whole stride is read.
 *
 * @param tokens `stride - clean` tokens of noisy windows, then whole strides
 * @param clean tokens of a clean window
 * @param stride tokens of a clean window and the noisy windows (one or more repeats) behind it
 * @throws FastWeightError ERR_PROGRAM
 */
export function interleaved(tokens: number, clean: number, stride: number): ProgramStep[] {
  assertCount('clean', clean, 1);
  assertCount('stride', stride, clean + 1);
  const first = stride - clean;
  assertCount('tokens', tokens, first);
  if ((tokens - first) % stride !== 0) {
    const expectation = `${first} tokens and a multiple of ${stride} more`;
    throw expected('ERR_PROGRAM', expectation, 'tokens', String(tokens));
  }
  const program = [apply(0, first)];
  for (let start = first; start < tokens; start += stride) {
    program.push(update(start, start + clean), apply(start, start + stride));
  }
  return program;
}
