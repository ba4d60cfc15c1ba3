// Ops that keep for their gradient what it reads and no more. tfjs's own save all inputs, some for
// their shapes alone, and so hold on to memory that nothing else needs.
import * as tf from '@tensorflow/tfjs-core';

/** As `tf.reshape`. */
export function reshape<R extends tf.Rank>(x: tf.Tensor, shape: tf.ShapeMap[R]): tf.Tensor<R> {
  const from = x.shape;
  return tf.customGrad<tf.Tensor<R>>((input) => ({
    value: tf.reshape(input as tf.Tensor, shape),
    gradFunc: (dy) => tf.reshape(dy, from),
  }))(x);
}

/** a + b, of one shape. */
export function add<T extends tf.Tensor>(a: T, b: T): T {
  return tf.customGrad<T>((...inputs) => ({
    value: tf.add<T>(inputs[0] as T, inputs[1] as T),
    gradFunc: (dy) => [tf.clone(dy), tf.clone(dy)],
  }))(a, b);
}

/** x * scale + shift, where scale and shift broadcast to the shape of x. */
export function scaleShift<T extends tf.Tensor>(x: T, scale: tf.Tensor, shift: tf.Tensor): T {
  const axes = [scale, shift].map((by) => tf.broadcast_util.getReductionAxes(by.shape, x.shape));
  const run = tf.customGrad<T>((...inputs) => {
    const [values, factors, shifts] = inputs as tf.Tensor[];
    (inputs[3] as unknown as (tensors: tf.Tensor[]) => void)([values, factors]);
    return {
      value: tf.add<T>(tf.mul(values, factors), shifts),
      gradFunc: (dy, [values, factors]) => [
        tf.mul(dy, factors),
        tf.reshape(tf.sum(tf.mul(dy, values), axes[0]), scale.shape),
        tf.reshape(tf.sum(dy, axes[1]), shift.shape),
      ],
    };
  });
  return run(x, scale, shift);
}
