// Ops as methods of tensors, `x.matMul(y)`. tfjs-core's CommonJS entry registers none, though some
// of its gradients call them.
/// <reference types="@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops" preserve="true" />
import * as tf from '@tensorflow/tfjs-core';

/** Methods that call the op of their name with the tensor first. */
const opNames = [
  ...['abs', 'acos', 'acosh', 'add', 'all', 'any', 'argMax', 'argMin', 'asin', 'asinh', 'atan'],
  ...['atan2', 'atanh', 'avgPool', 'batchNorm', 'batchToSpaceND', 'broadcastTo', 'cast', 'ceil'],
  ...['clipByValue', 'conv1d', 'conv2d', 'conv2dTranspose', 'cos', 'cosh', 'cumprod', 'cumsum'],
  ...['depthToSpace', 'depthwiseConv2d', 'dilation2d', 'div', 'divNoNan', 'dot', 'elu', 'equal'],
  ...['erf', 'euclideanNorm', 'exp', 'expandDims', 'expm1', 'fft', 'floor', 'floorDiv', 'gather'],
  ...['greater', 'greaterEqual', 'ifft', 'irfft', 'isFinite', 'isInf', 'isNaN', 'leakyRelu'],
  ...['less', 'lessEqual', 'localResponseNormalization', 'log', 'log1p', 'logSigmoid'],
  ...['logSoftmax', 'logSumExp', 'logicalAnd', 'logicalNot', 'logicalOr', 'logicalXor', 'matMul'],
  ...['max', 'maxPool', 'maximum', 'mean', 'min', 'minimum', 'mirrorPad', 'mod', 'mul', 'neg'],
  ...['norm', 'notEqual', 'oneHot', 'onesLike', 'pad', 'pool', 'pow', 'prelu', 'prod'],
  ...['reciprocal', 'relu', 'relu6', 'reshape', 'reverse', 'rfft', 'round', 'rsqrt', 'selu'],
  ...['separableConv2d', 'sigmoid', 'sign', 'sin', 'sinh', 'slice', 'softmax', 'softplus'],
  ...['spaceToBatchND', 'split', 'sqrt', 'square', 'squaredDifference', 'squeeze', 'step'],
  ...['stridedSlice', 'sub', 'sum', 'tan', 'tanh', 'tile', 'topk', 'transpose', 'unique'],
  ...['unsortedSegmentSum', 'unstack', 'zerosLike'],
] as const satisfies readonly (keyof typeof tf)[];

type Method = (this: tf.Tensor, ...parameters: never[]) => unknown;
type Op = (...parameters: unknown[]) => unknown;

/** The list of tensors that `x.concat(others)` and `x.stack(others)` work on. */
function listOf(first: tf.Tensor, others: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
  return Array.isArray(others) ? [first, ...others] : [first, others];
}

function asShape(this: tf.Tensor, ...shape: number[]): tf.Tensor {
  return tf.reshape(this, shape);
}

function flatten(this: tf.Tensor): tf.Tensor {
  return tf.reshape(this, [this.size]);
}

function castTo(dtype: tf.DataType): Method {
  return function () {
    return tf.cast(this, dtype);
  };
}

/** Methods that are more than an op with the tensor first. */
const otherMethods: Readonly<Record<string, Method>> = {
  as1D: flatten,
  as2D: asShape,
  as3D: asShape,
  as4D: asShape,
  as5D: asShape,
  asScalar() {
    tf.util.assert(this.size === 1, () => `Expected 1 element for asScalar but got ${this.size}`);
    return tf.reshape(this, []);
  },
  asType(dtype: tf.DataType) {
    return tf.cast(this, dtype);
  },
  concat(others: tf.Tensor | tf.Tensor[], axis?: number) {
    return tf.concat(listOf(this, others), axis);
  },
  flatten,
  reshapeAs(other: tf.Tensor) {
    return tf.reshape(this, other.shape);
  },
  resizeBilinear(...rest: [[number, number], boolean?, boolean?]) {
    return tf.image.resizeBilinear(this as tf.Tensor4D, ...rest);
  },
  resizeNearestNeighbor(...rest: [[number, number], boolean?, boolean?]) {
    return tf.image.resizeNearestNeighbor(this as tf.Tensor4D, ...rest);
  },
  stack(others: tf.Tensor | tf.Tensor[], axis?: number) {
    return tf.stack(listOf(this, others), axis);
  },
  toBool: castTo('bool'),
  toFloat: castTo('float32'),
  toInt: castTo('int32'),
  where(condition: tf.Tensor, other: tf.Tensor) {
    return tf.where(condition, this, other);
  },
};

/** Gives tensors the methods they lack; those that are there stay. */
export function registerChainedOps(): void {
  const ops = tf as unknown as Readonly<Record<string, Op>>;
  for (const name of opNames) {
    const op = ops[name];
    addMethod(name, function (...parameters) {
      return op(this, ...parameters);
    });
  }
  for (const [name, method] of Object.entries(otherMethods)) addMethod(name, method);
}

function addMethod(name: string, method: Method): void {
  const prototype = tf.Tensor.prototype as unknown as Record<string, Method | undefined>;
  // `cast` is defined by tfjs-core itself.
  if (prototype[name] !== undefined) return;
  prototype[name] = function (...parameters) {
    this.throwIfDisposed();
    return method.apply(this, parameters);
  };
}
