import { clone, dispose, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { expected } from '../native/errors';
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
  /** The weights that f uses. */
  readonly weights: FastWeights;
  /** The raw weights of weightNorm 'pre', otherwise `weights`. */
  readonly mainWeights: FastWeights;
  /** The momenta, where there was momentum. */
  readonly momenta?: FastWeights;
  /** The row norms of the very first weights; none before the first update or without norms. */
  readonly norms?: FastWeightNorms;
  /** How the updates so far normalised; undefined before the first. */
  readonly weightNorm?: 'post' | 'pre' | 'none';

  /**
   * Takes over the tensors of `parts`.
   *
   * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT
   */
  constructor(parts: FastWeightStateParts) {
    const { weights, mainWeights = weights, momenta, norms, weightNorm } = parts;
    assertWeights(weights);
    if (mainWeights !== weights && weightNorm !== 'pre') {
      throw expected('ERR_ARGUMENT', "weightNorm 'pre'", 'mainWeights', `'${weightNorm}'`);
    }
    if (norms && (weightNorm ?? 'none') === 'none') {
      throw expected('ERR_ARGUMENT', "weightNorm 'post' or 'pre'", 'norms', `'${weightNorm}'`);
    }
    const like = (set: FastWeights | FastWeightNorms, label: string, rank: number) => {
      mapSet(set, (tensor, name) => {
        assertTensor(`${label}.${name}`, tensor, weights[name].shape.slice(0, rank));
        return tensor;
      });
    };
    if (mainWeights !== weights) like(mainWeights, 'mainWeights', 3);
    if (momenta) like(momenta, 'momenta', 3);
    if (norms) like(norms, 'norms', 2);
    this.weights = weights;
    this.mainWeights = mainWeights;
    this.momenta = momenta;
    this.norms = norms;
    this.weightNorm = weightNorm;
  }

  /** An independent state of the same values, which shares memory until one of them changes. */
  fork(): FastWeightState {
    this.assertLive();
    const copy = <T extends FastWeights | FastWeightNorms>(set: T) => mapSet(set, clone);
    const { weights, mainWeights, momenta, norms, weightNorm } = this;
    return new FastWeightState({
      weights: copy(weights),
      mainWeights: mainWeights === weights ? undefined : copy(mainWeights),
      momenta: momenta && copy(momenta),
      norms: norms && copy(norms),
      weightNorm,
    });
  }

  dispose(): void {
    for (const set of [this.weights, this.mainWeights, this.momenta, this.norms]) {
      if (set !== undefined) dispose([set.w0, set.w1, set.w2]);
    }
  }

  private assertLive(): void {
    if (this.weights.w0.isDisposed) {
      throw expected('ERR_DISPOSED', 'a live state', 'state', 'a disposed one');
    }
  }
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
