import * as tf from '@tensorflow/tfjs-core';

/** Bits of the mantissa that matrix products keep of their operands. */
const mantissaBits = { float32: 23, tf32: 10, bfloat16: 7 } as const;

/** How matrix products round their operands; sums are float32. */
export interface ProductRounding {
  precision: keyof typeof mantissaBits;
  /**
   * Operands are rounded to numbers of the precision divided by this. As fine as the precision's own,
   * such a grid gives an evaluation whose errors are as large and fall otherwise. Default 1.
   */
  gridScale?: number;
}

let current: ProductRounding = { precision: 'float32' };

/**
 * Runs `body` with every matrix product of the reference rounding its operands; so do the products of
 * gradients, whenever those are computed.
 */
export function withProductRounding<Result>(rounding: ProductRounding, body: () => Result): Result {
  const before = current;
  current = rounding;
  try {
    return body();
  } finally {
    current = before;
  }
}

/**
 * Values rounded to the nearest that `precision` holds, ties to the even one; what is beyond the
 * largest becomes infinite, and NaN stays NaN.
 */
export function roundTo(
  { precision, gridScale = 1 }: ProductRounding,
  values: Float32Array,
): Float32Array {
  const dropped = 23 - mantissaBits[precision];
  if (dropped === 0) return values.slice();
  const rounded = values.map((value) => value * gridScale);
  const bits = new Uint32Array(rounded.buffer);
  const half = 1 << (dropped - 1);
  const mask = -1 << dropped;
  for (let at = 0; at < bits.length; at++) {
    const value = bits[at];
    // A NaN whose payload lies in the dropped bits would become infinite.
    if (Number.isNaN(rounded[at])) continue;
    const isOdd = (value >>> dropped) & 1;
    bits[at] = (value + half - 1 + isOdd) & mask;
  }
  return rounded.map((value) => value / gridScale);
}

function rounded(rounding: ProductRounding, x: tf.Tensor): tf.Tensor {
  return tf.tensor(roundTo(rounding, x.dataSync() as Float32Array), x.shape);
}

function roundedProduct(
  rounding: ProductRounding,
  [left, right]: [tf.Tensor, tf.Tensor],
  transposeLeft: boolean,
  transposeRight: boolean,
): tf.Tensor {
  return tf.customGrad((...given) => {
    const [left, right, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const operands = [left, right].map((operand) => rounded(rounding, operand));
    save(operands);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [a, b] = saved;
      const product = (x: tf.Tensor, y: tf.Tensor, transposeX: boolean, transposeY: boolean) =>
        roundedProduct(rounding, [x, y], transposeX, transposeY);
      const dLeft = transposeLeft
        ? product(b, dy, transposeRight, true)
        : product(dy, b, false, !transposeRight);
      const dRight = transposeRight
        ? product(dy, a, true, transposeLeft)
        : product(a, dy, !transposeLeft, false);
      return [dLeft, dRight];
    };
    return {
      value: tf.matMul(operands[0], operands[1], transposeLeft, transposeRight),
      gradFunc,
    };
  })(left, right);
}

/**
 * `tf.matMul` with operands rounded as {@link withProductRounding} says: op(left) op(right) of
 * operands of equal batches, in float32 outside of it.
 *
 * @param left [..., m, k], or [..., k, m] where transposed
 * @param right [..., k, n], or [..., n, k] where transposed
 * @returns [..., m, n]
 */
export function matMul<T extends tf.Tensor>(
  left: T,
  right: T,
  transposeLeft = false,
  transposeRight = false,
): T {
  if (current.precision === 'float32') return tf.matMul(left, right, transposeLeft, transposeRight);
  return roundedProduct(current, [left, right], transposeLeft, transposeRight) as T;
}
