import {
  clone,
  concat,
  engine,
  gather,
  keep,
  slice,
  type Tensor,
  type Tensor3D,
  tensor1d,
  tidy,
  zeros,
  zerosLike,
} from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { copyRanges, owned, type Range } from '../kernels/copy_ranges';
import { expected } from '../native/errors';
import { fastWeightApply } from './fast_weight_apply';
import {
  assertContinues,
  attributesOf,
  type FastWeightInputs,
  type FastWeightScanOptions,
  fastWeightScan,
} from './fast_weight_scan';
import {
  FastWeightState,
  type FastWeightStateParts,
  type FastWeights,
  mapSet,
  type PendingTokens,
} from './fast_weight_state';
import type { ProgramStep } from './programs';
import { assertBackend, assertInteger, assertTensor } from './validate';

export interface FastWeightAdvanceOptions
  extends Omit<FastWeightScanOptions, 'detachNorm' | 'memory'> {
  /**
   * How many of the tokens belong to each row, where rows have different numbers: a row's own are
   * its last, and what stands before them is padding.
   */
  counts?: readonly number[];
}

/** The tokens of a call: q besides what a pending chunk keeps. */
type Tokens = Omit<FastWeightInputs, 'q' | 'k' | 'v' | 'rates'> &
  Required<Pick<FastWeightInputs, 'q' | 'k' | 'v' | 'rates'>>;

type SetName = 'weights' | 'mainWeights' | 'momenta' | 'norms';

const keptNames = ['k', 'v', 'rates', 'momentum'] as const;

/**
 * Goes on with a sequence in shifted block-causal order, a call at a time: each chunk is read with
 * the weights that the chunks before it wrote, and is written as soon as all its tokens are there.
 * Splitting a sequence anywhere, into any number of calls, gives the outputs that one scan of
 * `programs.shiftedCausal` gives. Rows may stand at different places; those whose chunk is whole
 * are written together. Changes `state`; not differentiable, see {@link fastWeightScan} for that.
 *
 * @param inputs q, k, v, rates and where there is momentum momentum, shapes at
 * {@link FastWeightInputs}
 * @param state of the tokens before; `new FastWeightState({ weights })` for the first. Its tensors
 * outlive every tidy from then on
 * @param chunk tokens of a chunk, the same in every call of a sequence
 * @returns [rows, tokens, valueDim]; zeros in padding
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT, ERR_RANGE,
 * ERR_OUT_OF_MEMORY, ERR_DEVICE_UNAVAILABLE on a backend that is not ours; ERR_NON_FINITE (step
 * sizes or momentum that are not finite, or weights that became so), which leaves the state within
 * the sequence: go on from a fork made before
 */
export function fastWeightAdvance(
  inputs: FastWeightInputs,
  state: FastWeightState,
  chunk: number,
  options: FastWeightAdvanceOptions = {},
): Tensor3D {
  const backend = assertBackend('fastWeightAdvance');
  const { counts, ...scanOptions } = options;
  const tokens = checkedTokens(inputs, state, chunk, scanOptions);
  const wanted = checkedCounts(counts, tokens.q);
  return tidy(() => new Advance(backend, tokens, state, chunk, scanOptions).run(wanted));
}

class Advance {
  private readonly rows: number;
  private readonly tokens: number;

  constructor(
    private readonly backend: FastWeightBackend,
    private readonly inputs: Tokens,
    private readonly state: FastWeightState,
    private readonly chunk: number,
    private readonly options: FastWeightScanOptions,
  ) {
    [this.rows, this.tokens] = inputs.q.shape;
  }

  /** @param counts of each row's own tokens, which are its last */
  run(counts: readonly number[]): Tensor3D {
    const { tokens } = this;
    const starts = counts.map((count) => tokens - count);
    const outputs: Tensor3D[] = [];
    let padded: Tensor3D | undefined;
    while (starts.some((start) => start < tokens)) {
      const pending = this.pendingCounts();
      const isEven = [starts, pending].every((each) => each.every((value) => value === each[0]));
      if (isEven && padded === undefined && starts[0] === tokensOf(outputs)) {
        outputs.push(this.advanceEvenly(starts, pending[0]));
      } else {
        padded ??= this.padded(outputs);
        this.advanceRagged(starts, pending, padded);
      }
    }
    if (padded !== undefined || outputs.length === 0) return padded ?? this.padded(outputs);
    return outputs.length === 1 ? outputs[0] : (concat(outputs, 1) as Tensor3D);
  }

  private pendingCounts(): number[] {
    return this.state.pending?.counts ?? new Array<number>(this.rows).fill(0);
  }

  /** Outputs so far, with zeros for the tokens to come. */
  private padded(outputs: Tensor3D[]): Tensor3D {
    const valueDim = this.inputs.v.shape[2];
    const rest = this.tokens - tokensOf(outputs);
    const parts = [...outputs, zeros([this.rows, rest, valueDim])] as Tensor3D[];
    return parts.length === 1 ? parts[0] : (concat(parts, 1) as Tensor3D);
  }

  /** All rows at one place: whole chunks in one scan, else up to the end of a chunk. */
  private advanceEvenly(starts: number[], pending: number): Tensor3D {
    const [start] = starts;
    const left = this.tokens - start;
    const isWhole = pending === 0 && left >= this.chunk;
    const count = isWhole ? left - (left % this.chunk) : Math.min(this.chunk - pending, left);
    const part = this.part(start, count);
    starts.fill(start + count);
    if (isWhole) return this.scanWholeChunks(part, count);
    const output = fastWeightApply(part.q, this.state);
    this.append(
      part,
      starts.map((_, row) => [row * count, row * this.chunk + pending, count]),
    );
    return output;
  }

  /** Tokens [start, start + count) of every input. */
  private part(start: number, count: number): Tokens {
    if (count === this.tokens) return this.inputs;
    const { q, k, v, rates, momentum } = this.inputs;
    const [q1, k1, v1, rates1, momentum1] = [q, k, v, rates, momentum].map(
      (tensor) => tensor && slice(tensor, [0, start, 0], [-1, count, -1]),
    ) as Tensor3D[];
    return { q: q1, k: k1, v: v1, rates: rates1, momentum: momentum1 };
  }

  private scanWholeChunks(part: Tokens, count: number): Tensor3D {
    const program: ProgramStep[] = [];
    for (let start = 0; start < count; start += this.chunk) {
      const end = start + this.chunk;
      program.push({ kind: 'apply', start, end }, { kind: 'update', start, end });
    }
    const { output, state } = fastWeightScan(part, settled(this.state), program, this.options);
    this.take(state);
    return output;
  }

  /** Each row up to the end of its chunk or of its tokens. */
  private advanceRagged(starts: number[], pending: number[], outputs: Tensor3D): void {
    const { tokens, chunk, inputs, backend } = this;
    const counts = starts.map((start, row) => Math.min(chunk - pending[row], tokens - start));
    const most = Math.max(...counts);
    const keyDim = inputs.q.shape[2];
    const q = zeros([this.rows, most, keyDim]) as Tensor3D;
    const ranges = (f: (row: number) => Range) => counts.map((_, row) => f(row));
    const own = (row: number) => row * tokens + starts[row];
    copyRanges(
      backend,
      inputs.q,
      q,
      keyDim,
      ranges((row) => [own(row), row * most, counts[row]]),
    );
    const output = fastWeightApply(q, this.state);
    copyRanges(
      backend,
      output,
      outputs,
      output.shape[2],
      ranges((row) => [row * most, own(row), counts[row]]),
    );
    this.append(
      inputs,
      ranges((row) => [own(row), row * chunk + pending[row], counts[row]]),
    );
    counts.forEach((count, row) => {
      starts[row] += count;
    });
  }

  /** Keeps tokens of `from` for the update of their chunk, and updates the rows that now have it. */
  private append(from: Tokens, ranges: Range[]): void {
    const pending = this.ownPending(from);
    for (const name of keptNames) {
      const [source, target] = [from[name], pending[name]];
      if (source && target) copyRanges(this.backend, source, target, source.shape[2], ranges);
    }
    const counts = pending.counts.map((count, row) => count + ranges[row][2]);
    const whole = counts.flatMap((count, row) => (count === this.chunk ? [row] : []));
    for (const row of whole) counts[row] = 0;
    this.state.replace({ pending: { ...pending, counts } });
    if (whole.length === this.rows) this.take(this.updated(this.state, pending));
    else if (whole.length > 0) this.updateSome(whole, pending);
  }

  /** Room for each row's chunk that no other tensor shares. */
  private ownPending({ k, v, rates, momentum }: Tokens): PendingTokens {
    const { pending } = this.state;
    if (pending === undefined) {
      const room = (x: Tensor3D) => zeros([this.rows, this.chunk, x.shape[2]]) as Tensor3D;
      const made: PendingTokens = {
        counts: new Array<number>(this.rows).fill(0),
        ...{ k: room(k), v: room(v), rates: room(rates) },
      };
      if (momentum) made.momentum = room(momentum);
      this.state.replace({ pending: made });
      return made;
    }
    for (const name of keptNames) {
      const tensor = pending[name];
      if (tensor) pending[name] = keep(owned(this.backend, tensor));
    }
    return pending;
  }

  /** The state after one step on a whole chunk. */
  private updated(from: FastWeightState, { k, v, rates, momentum }: PendingTokens) {
    const program: ProgramStep[] = [{ kind: 'update', start: 0, end: this.chunk }];
    const chunk = { k, v, rates, momentum };
    return fastWeightScan(chunk, settled(from), program, this.options).state;
  }

  private take({ weights, mainWeights, momenta, norms, weightNorm }: FastWeightState): void {
    const own = mainWeights === weights ? undefined : mainWeights;
    this.state.replace({ weights, mainWeights: own, momenta, norms, weightNorm });
  }

  /** As `take(updated())`, of the rows `whole` alone. */
  private updateSome(whole: number[], pending: PendingTokens): void {
    this.completeState(pending.momentum !== undefined);
    const indices = tensor1d(whole, 'int32');
    const pick = (tensor: Tensor) => gather(tensor, indices);
    const chunk = Object.fromEntries(
      keptNames.map((name) => [name, pending[name] && pick(pending[name])]),
    ) as unknown as PendingTokens;
    const after = this.updated(mapState(this.state, pick), chunk);
    const merged = mapState(this.state, (before, set, name) => {
      const changed = (after[set] as FastWeights)[name];
      const all = engine().makeTensorFromTensorInfo(this.backend.copy(before));
      const ranges = whole.map((row, at) => [at, row, 1] as const);
      copyRanges(this.backend, changed, all, changed.size / whole.length, ranges);
      return all;
    });
    this.take(merged);
  }

  /** Gives a state before its first update the sets that it stands for, since some rows need them. */
  private completeState(hasMomentum: boolean): void {
    const { state, options, rows } = this;
    const { weightNorm = 'post' } = options;
    const { weights } = state;
    const parts: Partial<FastWeightStateParts> = { weightNorm };
    if (weightNorm === 'pre' && state.mainWeights === weights) {
      parts.mainWeights = mapSet(weights, clone);
    }
    if (hasMomentum && !state.momenta) parts.momenta = mapSet(weights, zerosLike);
    if (weightNorm !== 'none' && !state.norms) {
      // A step of size 0 on a token of zeros: its state has the norms of the weights.
      const [k, v, rates] = [weights.w0.shape[2], weights.w1.shape[1], 3].map(
        (width) => zeros([rows, 1, width]) as Tensor3D,
      );
      const step: ProgramStep[] = [{ kind: 'update', start: 0, end: 1 }];
      parts.norms = fastWeightScan({ k, v, rates }, weights, step, { weightNorm }).state.norms;
    }
    state.replace(parts);
  }
}

/** A state's sets, without pending tokens, with f of each tensor in the tensor's place. */
function mapState(
  { weights, mainWeights, momenta, norms, weightNorm }: FastWeightState,
  f: (tensor: Tensor, set: SetName, name: keyof FastWeights) => Tensor,
): FastWeightState {
  const parts: FastWeightStateParts = {
    weights: mapSet(weights, (tensor, name) => f(tensor, 'weights', name)),
    weightNorm,
  };
  if (mainWeights !== weights) {
    parts.mainWeights = mapSet(mainWeights, (tensor, name) => f(tensor, 'mainWeights', name));
  }
  if (momenta) parts.momenta = mapSet(momenta, (tensor, name) => f(tensor, 'momenta', name));
  if (norms) parts.norms = mapSet(norms, (tensor, name) => f(tensor, 'norms', name));
  return new FastWeightState(parts);
}

/** The same state without its pending tokens. */
function settled(state: FastWeightState): FastWeightState {
  return mapState(state, (tensor) => tensor);
}

/** Tokens of the outputs together. */
function tokensOf(outputs: readonly Tensor3D[]): number {
  return outputs.reduce((sum, { shape }) => sum + shape[1], 0);
}

function checkedTokens(
  { q, k, v, rates, momentum }: FastWeightInputs,
  state: FastWeightState,
  chunk: number,
  options: FastWeightScanOptions,
): Tokens {
  if (!(state instanceof FastWeightState)) {
    throw expected('ERR_ARGUMENT', 'a FastWeightState', 'state', String(state));
  }
  state.assertLive();
  if (engine().state.gradientDepth > 0) {
    const remedy = 'fastWeightScan goes on from a state with gradients';
    throw expected('ERR_ARGUMENT', 'no gradient', 'fastWeightAdvance', 'one being taken', remedy);
  }
  assertInteger('chunk', chunk, 1);
  const { weightNorm } = attributesOf(options);
  const { w0, w1 } = state.weights;
  const [rows, , keyDim] = w0.shape;
  assertTensor('q', q as Tensor, [rows, 'tokens', keyDim]);
  const tokens = (q as Tensor3D).shape[1];
  assertTensor('k', k as Tensor, [rows, tokens, keyDim]);
  assertTensor('v', v as Tensor, [rows, tokens, w1.shape[1]]);
  assertTensor('rates', rates as Tensor, [rows, tokens, 3]);
  if (momentum) assertTensor('momentum', momentum, [rows, tokens, 1]);
  assertContinues(state, weightNorm, momentum !== undefined);
  const { pending } = state;
  if (pending && pending.k.shape[1] !== chunk) {
    const got = `${chunk} beside pending tokens of another`;
    throw expected('ERR_ARGUMENT', `${pending.k.shape[1]}`, 'chunk', got);
  }
  if (pending && (pending.momentum === undefined) !== (momentum === undefined)) {
    const expectation = `${pending.momentum ? 'a' : 'no'} tensor, as before,`;
    throw expected('ERR_ARGUMENT', expectation, 'momentum', momentum ? 'one' : 'none');
  }
  return { q, k, v, rates, momentum } as Tokens;
}

/** Tokens of each row; all of them where no counts are given. */
function checkedCounts(counts: readonly number[] | undefined, { shape }: Tensor3D): number[] {
  const [rows, tokens] = shape;
  if (counts === undefined) return new Array<number>(rows).fill(tokens);
  const isCount = (count: number) => Number.isSafeInteger(count) && count >= 0 && count <= tokens;
  if (counts.length !== rows || !counts.every(isCount)) {
    throw expected('ERR_RANGE', `${rows} counts of at most ${tokens}`, 'counts', `[${counts}]`);
  }
  return [...counts];
}
