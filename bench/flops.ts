// Floating-point operations of each algorithm: its matrix products, a multiplication and an addition
// counted as two. Work that two contenders may or may not repeat (recomputing in a backward pass,
// the half of a symmetric product that mirrors the other) counts once, so that the number belongs to
// the case and not to who runs it.
import type { LanguageModelConfig } from '../src/models/language_model_config';
import { languageModelParameters } from '../src/models/language_model_parameters';
import { type Program, shiftedCausal } from '../src/ops/programs';

export function gemmFlops(batch: number, m: number, n: number, k: number): number {
  return 2 * batch * m * n * k;
}

/** Products of one Newton-Schulz step, of which x x^T and A A are symmetric: half a product each. */
function newtonSchulzStep(rows: number, columns: number): number {
  const [short, long] = rows < columns ? [rows, columns] : [columns, rows];
  return 3 * short * short * long + short ** 3;
}

export function newtonSchulzFlops(
  matrices: number,
  rows: number,
  columns: number,
  steps: number,
): number {
  return matrices * steps * newtonSchulzStep(rows, columns);
}

/**
 * Of one step backward: (b A + c A A) dy, the Gram cotangent times x, dy x^T, and one product of
 * Gram matrices.
 */
function newtonSchulzStepBackward(rows: number, columns: number): number {
  const [short, long] = rows < columns ? [rows, columns] : [columns, rows];
  return 6 * short * short * long + 2 * short ** 3;
}

/** Sizes of a fast-weight scan. */
export interface ScanSizes {
  rows: number;
  keyDim: number;
  hiddenDim: number;
  valueDim: number;
  program: Program;
  /** Newton-Schulz steps of an update; 0 for plain gradient steps. */
  newtonSchulzSteps: number;
}

/** How a backward pass comes by what the forward computed. */
export type BackwardPolicy = 'stored' | 'recomputed';

function tokensOf(program: Program, kind: 'update' | 'apply'): number {
  return program.reduce((sum, step) => sum + (step.kind === kind ? step.end - step.start : 0), 0);
}

/** Sums `of(rows, columns)` over the three matrices of every update of every row. */
function overUpdates(sizes: ScanSizes, of: (rows: number, columns: number) => number): number {
  const { rows, keyDim, hiddenDim, valueDim, program, newtonSchulzSteps } = sizes;
  const updates = program.filter(({ kind }) => kind === 'update').length;
  const matrices = 2 * of(hiddenDim, keyDim) + of(valueDim, hiddenDim);
  return rows * updates * newtonSchulzSteps * matrices;
}

/** Multiply-adds of one token with w0, w2 and w1: three products read, six write. */
function products(sizes: ScanSizes, key: number, value: number): number {
  return 2 * sizes.rows * (key * sizes.keyDim + value * sizes.valueDim) * sizes.hiddenDim;
}

export function scanForwardFlops(sizes: ScanSizes): number {
  const apply = tokensOf(sizes.program, 'apply') * products(sizes, 2, 1);
  // w0 k, w2 k and their two weight gradients; w1^T v and its weight gradient
  const update = tokensOf(sizes.program, 'update') * products(sizes, 4, 2);
  return apply + update + overUpdates(sizes, newtonSchulzStep);
}

/** Backward alone: two products for each of the forward's. */
export function scanBackwardFlops(sizes: ScanSizes, policy: BackwardPolicy = 'stored'): number {
  const apply = tokensOf(sizes.program, 'apply') * products(sizes, 4, 2);
  const update = tokensOf(sizes.program, 'update') * products(sizes, 8, 4);
  const backward = apply + update + overUpdates(sizes, newtonSchulzStepBackward);
  if (policy === 'stored') return backward;
  // Of an apply w0 q and w2 q again, of an update w0 k, w2 k and w1^T v, and each iterate.
  const applied = tokensOf(sizes.program, 'apply') * products(sizes, 2, 0);
  const updated = tokensOf(sizes.program, 'update') * products(sizes, 2, 1);
  return backward + applied + updated + overUpdates(sizes, newtonSchulzStep);
}

/** Causal attention over a window: scores and their product with v, of the pairs that attend. */
export function attentionForwardFlops(
  batch: number,
  tokens: number,
  heads: number,
  headDim: number,
  window: number,
): number {
  const seen = window > 0 ? Math.min(window, tokens) : tokens;
  const pairs = (seen * (seen + 1)) / 2 + (tokens - seen) * seen;
  return 4 * batch * heads * headDim * pairs;
}

/** Backward alone, with the scores kept: two products for each of the forward's. */
export function attentionBackwardFlops(...sizes: Parameters<typeof attentionForwardFlops>): number {
  return 2 * attentionForwardFlops(...sizes);
}

/** Forward of the LaCT language model, or the loss's forward and backward. */
export function languageModelFlops(
  config: LanguageModelConfig,
  batch: number,
  tokens: number,
  backward: boolean,
): number {
  const { hiddenSize, numAttnHeads, numLactHeads, numHiddenLayers } = config;
  const isLinear = (name: string, shape: readonly number[]) =>
    shape.length === 2 && name.endsWith('.weight') && !name.startsWith('embeddings.');
  let weights = languageModelParameters(config)
    .filter(({ name, shape }) => isLinear(name, shape))
    .reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
  if (config.tieWordEmbeddings) weights += config.vocabSize * hiddenSize;
  const linear = 2 * batch * tokens * weights;
  const attention = [batch, tokens, numAttnHeads, hiddenSize / numAttnHeads, config.windowSize];
  const headDim = hiddenSize / numLactHeads;
  const scan: ScanSizes = {
    rows: batch * numLactHeads,
    keyDim: headDim,
    hiddenDim: Math.trunc(headDim * config.interMulti),
    valueDim: headDim,
    program: shiftedCausal(tokens, config.lactChunkSize),
    newtonSchulzSteps: config.useMuon ? scheduleSteps(config.newtonSchulz) : 0,
  };
  const pairs = attention as Parameters<typeof attentionForwardFlops>;
  const forward =
    linear + numHiddenLayers * (attentionForwardFlops(...pairs) + scanForwardFlops(scan));
  if (!backward) return forward;
  return (
    forward +
    2 * linear +
    numHiddenLayers * (attentionBackwardFlops(...pairs) + scanBackwardFlops(scan))
  );
}

/** Steps of a Newton-Schulz schedule: its triples, or the number its name ends in. */
export function scheduleSteps(schedule: LanguageModelConfig['newtonSchulz']): number {
  if (typeof schedule !== 'string') return schedule.length;
  return Number(/\d+$/.exec(schedule)?.[0]);
}
