import type { Handle } from './tensor_storage_addon';

/** How an element lies in native memory, as native code numbers it. */
export const elementTypes = { float32: 0, int32: 1, bool: 2 } as const;

/** Reductions, as native code numbers them. */
export const reductions = { Sum: 0, Mean: 1, Prod: 2, Max: 3, Min: 4, Any: 5, All: 6 } as const;

type Codes = Readonly<Record<string, number | undefined>>;

/**
 * Tensor kernels of the addon (native/binding/*_kernels.cc). Each returns the handle of a new
 * tensor, and throws ERR_OUT_OF_MEMORY where there is no room for it; counts are of elements.
 */
export interface TensorKernelsAddon {
  /** Numbers that a call reads besides its arguments; written just before it. */
  readonly layout: Float64Array;
  /** Codes of elementwise functions by kernel name. */
  readonly unaryCodes: Codes;
  readonly predicateCodes: Codes;
  readonly binaryCodes: Codes;

  unary(code: number, x: Handle, count: number, p: number, q: number): Handle;
  /** Like `unary`, from float32 to bool. */
  predicate(code: number, x: Handle, count: number): Handle;
  /** `layout` holds `rank` sizes, strides of a and strides of b. */
  binary(code: number, type: number, a: Handle, b: Handle, rank: number): Handle;
  select(bytes: number, condition: Handle, a: Handle, b: Handle, count: number): Handle;
  cast(from: number, to: number, x: Handle, count: number): Handle;
  fill(type: number, count: number, value: number): Handle;
  range(type: number, count: number, start: number, step: number): Handle;
  /** [count, depth] with `on` at each row's index. */
  oneHot(
    type: number,
    indices: Handle,
    count: number,
    depth: number,
    on: number,
    off: number,
  ): Handle;

  /** [outer, inner] from x [outer, reduced, inner]. */
  reduce(
    code: number,
    type: number,
    x: Handle,
    outer: number,
    reduced: number,
    inner: number,
  ): Handle;
  argReduce(largest: boolean, x: Handle, outer: number, reduced: number, inner: number): Handle;
  softmax(x: Handle, rows: number, columns: number): Handle;
  cumulative(
    product: boolean,
    exclusive: boolean,
    reverse: boolean,
    x: Handle,
    outer: number,
    size: number,
    inner: number,
  ): Handle;

  /** `layout` holds `rank` sizes, strides of `from` and strides of `to`. */
  copyStrided(
    bytes: number,
    from: Handle,
    fromStart: number,
    to: Handle,
    toStart: number,
    rank: number,
  ): void;
  /**
   * Copies items of `floats` floats in place. Each triple of `ranges` says the first item to read,
   * the first to write, and how many. Throws ERR_RANGE.
   */
  copyRanges(from: Handle, to: Handle, floats: number, ranges: Int32Array): void;
  /** [batch, outer, indexCount, inner] from x [batch, outer, size, inner]. Throws ERR_RANGE. */
  gather(
    bytes: number,
    x: Handle,
    indices: Handle,
    batch: number,
    outer: number,
    size: number,
    indexCount: number,
    inner: number,
  ): Handle;
  /** [segments, inner] from x [rows, inner]. */
  segmentSum(x: Handle, ids: Handle, rows: number, inner: number, segments: number): Handle;

  /**
   * op(a) op(b) + bias through an activation. `layout` holds batch, m, n, k, whether one a (b)
   * serves all of the batch, whether a (b) is transposed, the unary code of the activation or -1,
   * its parameter, and whether the result may be stored as bfloat16. `bias` and the `slopes` of a parametric relu [n], or 0 for none.
   */
  matMul(a: Handle, b: Handle, bias: Handle, slopes: Handle): Handle;

  /**
   * Convolution y of x [batch, inHeight, inWidth, inChannels] and its gradients. `layout` holds
   * batch, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, filterHeight,
   * filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft; for
   * `convolve` also the activation's code and parameter. `bias`, `slopes` [outChannels] as above.
   */
  convolve(x: Handle, filter: Handle, bias: Handle, slopes: Handle): Handle;
  convolveInputBackward(yCotangent: Handle, filter: Handle): Handle;
  convolveFilterBackward(x: Handle, yCotangent: Handle): Handle;
}
