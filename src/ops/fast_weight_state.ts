import {
  clone,
  dispose,
  keep,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type TensorContainer,
} from '@tensorflow/tfjs-core';
import { expected } from '../native/errors';
import { readState, writeState } from './fast_weight_state_file';
import { assertTensor } from './validate';

/** Weights of f(x) = w1 (silu(w0 x) * (w2 x)), or tensors of the same shapes. */
export interface FastWeights {
  /** [rows, hiddenDim, keyDim] */
  w0: Tensor3D;
  /** [rows, valueDim, hiddenDim] */
  w1: Tensor3D;
  /** [rows, hiddenDim, keyDim] */
  w2: Tensor3D;
}

/** The norms of the weights' rows. */
export interface FastWeightNorms {
  /** [rows, hiddenDim] */
  w0: Tensor2D;
  /** [rows, valueDim] */
  w1: Tensor2D;
  /** [rows, hiddenDim] */
  w2: Tensor2D;
}

/** Tokens of chunks that are not whole yet, each row's first `counts[row]` of the tensors. */
export interface PendingTokens {
  /** Tokens that each row has, fewer than a chunk. */
  counts: number[];
  /** [rows, chunk, keyDim] */
  k: Tensor3D;
  /** [rows, chunk, valueDim] */
  v: Tensor3D;
  /** [rows, chunk, 3] */
  rates: Tensor3D;
  /** [rows, chunk, 1], with momentum */
  momentum?: Tensor3D;
}

/** What a state is made of. */
export interface FastWeightStateParts {
  /** The weights that f uses. */
  weights: FastWeights;
  /** The raw weights of weightNorm 'pre'; left out, they are `weights`. */
  mainWeights?: FastWeights;
  /** The momenta; left out, they are zero. */
  momenta?: FastWeights;
  /** The row norms that updates keep; left out before the first update, or without a norm. */
  norms?: FastWeightNorms;
  /** How the updates so far normalised; left out, there were none. */
  weightNorm?: 'post' | 'pre' | 'none';
  /** What `fastWeightAdvance` has not written yet; left out, nothing. */
  pending?: PendingTokens;
}

const names = ['w0', 'w1', 'w2'] as const;

/** f of each of a set's tensors. */
export function mapSet<T extends FastWeights | FastWeightNorms>(
  set: T,
  f: (tensor: Tensor, name: (typeof names)[number]) => Tensor,
): T {
  return Object.fromEntries(names.map((name) => [name, f(set[name], name)])) as unknown as T;
}

/**
 * All that a scan leaves behind, and all that another needs to go on from it. Every tensor carries
 * gradient, so that a sequence split into several scans has the gradients of one scan.
 *
 * The tensors are the state's: `dispose` frees them.
 */
export class FastWeightState {
  private parts: FastWeightStateParts;

  /**
   * Takes over the tensors of `parts`.
   *
   * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT
   */
  constructor(parts: FastWeightStateParts) {
    const { mainWeights, ...others } = parts;
    this.parts = mainWeights === parts.weights ? others : { ...others, mainWeights };
    assertParts(this.parts);
  }

  /** The weights that f uses. */
  get weights(): FastWeights {
    return this.parts.weights;
  }

  /** The raw weights of weightNorm 'pre', otherwise `weights`. */
  get mainWeights(): FastWeights {
    return this.parts.mainWeights ?? this.parts.weights;
  }

  /** The momenta, where there was momentum. */
  get momenta(): FastWeights | undefined {
    return this.parts.momenta;
  }

  /** The row norms of the very first weights; none before the first update or without norms. */
  get norms(): FastWeightNorms | undefined {
    return this.parts.norms;
  }

  /** How the updates so far normalised; undefined before the first. */
  get weightNorm(): 'post' | 'pre' | 'none' | undefined {
    return this.parts.weightNorm;
  }

  /** The tokens of chunks that are not whole yet. */
  get pending(): PendingTokens | undefined {
    return this.parts.pending;
  }

  /** Bytes of all tensors. */
  get bytes(): number {
    return tensorsOf(this.parts).reduce((sum, { size }) => sum + 4 * size, 0);
  }

  /** An independent state of the same values, which shares memory until one of them changes. */
  fork(): FastWeightState {
    this.assertLive();
    return new FastWeightState(mapTensors(this.parts, clone));
  }

  /**
   * Takes over tensors in place of those that the state has, which are disposed of. They outlive
   * every tidy.
   */
  replace(parts: Partial<FastWeightStateParts>): void {
    const before = tensorsOf(this.parts);
    this.parts = { ...this.parts, ...parts };
    const after = new Set(tensorsOf(this.parts));
    for (const tensor of after) keep(tensor);
    for (const tensor of before) if (!after.has(tensor)) tensor.dispose();
  }

  /** Lets the tensors outlive every tidy, and returns the state. */
  keep(): this {
    for (const tensor of tensorsOf(this.parts)) keep(tensor);
    return this;
  }

  /**
   * Writes the state as a safetensors file, which appears under its name when it is whole.
   *
   * @throws FastWeightError ERR_CHECKPOINT where the file cannot be written, ERR_DISPOSED
   */
  async save(file: string): Promise<void> {
    this.assertLive();
    await writeState(file, this.parts);
  }

  /**
   * The state that `save` wrote; its tensors outlive every tidy.
   *
   * @throws FastWeightError ERR_CHECKPOINT for a file that is truncated or is no such state
   */
  static load(file: string): FastWeightState {
    const parts = readState(file);
    try {
      return FastWeightState.restore(parts);
    } catch (error) {
      throw expected('ERR_CHECKPOINT', 'a state', file, (error as Error).message);
    }
  }

  /** As the constructor, of parts that nobody else has: frees their tensors where they are wrong. */
  static restore(parts: FastWeightStateParts): FastWeightState {
    try {
      return new FastWeightState(parts).keep();
    } catch (error) {
      dispose(Object.values(parts) as TensorContainer);
      throw error;
    }
  }

  dispose(): void {
    dispose(tensorsOf(this.parts));
  }

  /** Throws ERR_DISPOSED after `dispose`. */
  assertLive(): void {
    if (this.weights.w0.isDisposed) {
      throw expected('ERR_DISPOSED', 'a live state', 'state', 'a disposed one');
    }
  }
}

/** The parts with f of each tensor in the tensor's place. */
function mapTensors(
  { pending, ...parts }: FastWeightStateParts,
  f: (tensor: Tensor) => Tensor,
): FastWeightStateParts {
  const mapped: FastWeightStateParts = { ...parts, weights: mapSet(parts.weights, f) };
  if (parts.mainWeights) mapped.mainWeights = mapSet(parts.mainWeights, f);
  if (parts.momenta) mapped.momenta = mapSet(parts.momenta, f);
  if (parts.norms) mapped.norms = mapSet(parts.norms, f);
  if (pending) {
    const { counts, k, v, rates, momentum } = pending;
    const copy = (tensor: Tensor3D) => f(tensor) as Tensor3D;
    mapped.pending = { counts: [...counts], k: copy(k), v: copy(v), rates: copy(rates) };
    if (momentum) mapped.pending.momentum = copy(momentum);
  }
  return mapped;
}

function tensorsOf(parts: FastWeightStateParts): Tensor[] {
  const tensors: Tensor[] = [];
  mapTensors(parts, (tensor) => {
    tensors.push(tensor);
    return tensor;
  });
  return tensors;
}

/** The state that an operation starts from: the one given, or that of initial weights. */
export function stateOf(from: FastWeights | FastWeightStateParts): FastWeightState {
  if (from instanceof FastWeightState) return from;
  return new FastWeightState('weights' in from ? from : { weights: from });
}

/** Throws unless the weights have fitting shapes: ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT. */
export function assertWeights({ w0, w1, w2 }: FastWeights): void {
  assertTensor('w0', w0, ['rows', 'hiddenDim', 'keyDim']);
  const [rows, hiddenDim] = w0.shape;
  assertTensor('w1', w1, [rows, 'valueDim', hiddenDim]);
  assertTensor('w2', w2, w0.shape);
}

function assertParts(parts: FastWeightStateParts): void {
  const { weights, mainWeights, momenta, norms, weightNorm, pending } = parts;
  assertWeights(weights);
  if (mainWeights && weightNorm !== 'pre') {
    throw expected('ERR_ARGUMENT', "weightNorm 'pre'", 'mainWeights', `'${weightNorm}'`);
  }
  if (norms && (weightNorm ?? 'none') === 'none') {
    throw expected('ERR_ARGUMENT', "weightNorm 'post' or 'pre'", 'norms', `'${weightNorm}'`);
  }
  const like = (set: FastWeights | FastWeightNorms, label: string, rank: number) => {
    for (const name of names) {
      assertTensor(`${label}.${name}`, set[name], weights[name].shape.slice(0, rank));
    }
  };
  if (mainWeights) like(mainWeights, 'mainWeights', 3);
  if (momenta) like(momenta, 'momenta', 3);
  if (norms) like(norms, 'norms', 2);
  if (pending) assertPending(pending, weights);
}

function assertPending(pending: PendingTokens, { w0, w1 }: FastWeights): void {
  const { counts, k, v, rates, momentum } = pending;
  const [rows, , keyDim] = w0.shape;
  assertTensor('pending.k', k, [rows, 'chunk', keyDim]);
  const chunk = k.shape[1];
  assertTensor('pending.v', v, [rows, chunk, w1.shape[1]]);
  assertTensor('pending.rates', rates, [rows, chunk, 3]);
  if (momentum) assertTensor('pending.momentum', momentum, [rows, chunk, 1]);
  const isCount = (count: number) => Number.isSafeInteger(count) && count >= 0 && count < chunk;
  if (counts.length !== rows || !counts.every(isCount)) {
    const expectation = `${rows} counts below ${chunk}`;
    throw expected('ERR_ARGUMENT', expectation, 'pending.counts', `[${counts}]`);
  }
}
