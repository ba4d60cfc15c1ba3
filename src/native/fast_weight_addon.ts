import type { Handle } from './tensor_storage_addon';

/** Handles of w0, w1, w2 under names with a suffix, such as `w0Out`; all three or none. */
type WeightHandles<Suffix extends string> = Partial<
  Record<`w0${Suffix}` | `w1${Suffix}` | `w2${Suffix}`, Handle>
>;

/** Sizes, program and options of a scan, and the handles of its inputs (0: none). */
export interface ScanFields extends WeightHandles<''> {
  rows: number;
  tokens: number;
  keyDim: number;
  hiddenDim: number;
  valueDim: number;
  /** kind (0 update, 1 apply), start, end of each step */
  program: Int32Array;
  weightNorm: 'post' | 'pre' | 'none';
  detachNorm: boolean;
  memory: 'auto' | 'store' | 'recompute';
  /** a, b, c of each step; empty for plain gradient steps */
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  normEpsilon: number;
  newtonSchulzEpsilon: number;
  q: Handle;
  k: Handle;
  v: Handle;
  rates: Handle;
  momentum: Handle;
  /** Tensor that owns the tape; 0 keeps none. */
  tape: Handle;
}

export interface NewtonSchulzFields {
  matrices: number;
  rows: number;
  columns: number;
  newtonSchulz: Float32Array;
  method: 'standard' | 'gram';
  epsilon: number;
  d: Handle;
  /** The forward's result, */
  out?: Handle;
  /** or, for the backward, its cotangent and where the input's goes. */
  outCotangent?: Handle;
  dCotangent?: Handle;
}

/** Fast-weight functions of the addon (native/binding/fast_weights.cc). */
export interface FastWeightAddon {
  fastWeightScan(
    fields: ScanFields & { output: Handle } & WeightHandles<'Out' | 'MainOut' | 'MomentumOut'>,
  ): void;
  fastWeightScanBackward(
    fields: ScanFields & {
      outputCotangent: Handle;
      qGradient: Handle;
      kGradient: Handle;
      vGradient: Handle;
      ratesGradient: Handle;
      momentumGradient: Handle;
    } & WeightHandles<'Cotangent' | 'Gradient'>,
  ): void;
  newtonSchulz(fields: NewtonSchulzFields): void;
}
