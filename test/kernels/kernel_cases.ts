import * as tf from '@tensorflow/tfjs-core';

/**
 * A call of an op, by name; it makes its own inputs, the same on every backend. `isSum` marks
 * results that are sums of terms of both signs, whose error is relative to the terms.
 */
export type KernelCase = [name: string, run: () => tf.Tensor | tf.Tensor[], isSum?: boolean];

const drawn = new Map<string, Float32Array>();

/** `count` numbers of [low, high), hashes of their positions: no backend's generator takes part. */
function numbers(count: number, seed: number, low: number, high: number): Float32Array {
  const key = [count, seed, low, high].join();
  let values = drawn.get(key);
  if (values === undefined) {
    const { sin, floor } = Math;
    values = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const hash = sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
      values[i] = low + (hash - floor(hash)) * (high - low);
    }
    drawn.set(key, values);
  }
  return values;
}

const floats = (shape: number[], seed = 1, low = -2, high = 2) =>
  tf.tensor(numbers(tf.util.sizeFromShape(shape), seed, low, high), shape);
const ints = (shape: number[], seed = 1, low = -9, high = 9) =>
  tf.cast(tf.floor(floats(shape, seed, low, high)), 'int32');
const bools = (shape: number[], seed = 1) => tf.greater(floats(shape, seed), 0);
const special = () =>
  tf.tensor1d([0, -0, 1, -1, 0.5, 1e-30, -1e-42, 90, -120, 3e38, 1e9, 2.5, 3.5]);
const notFinite = () => tf.tensor1d([NaN, Infinity, -Infinity, 1]);

const plainUnary = {
  ...{ abs: tf.abs, ceil: tf.ceil, cos: tf.cos, elu: tf.elu, erf: tf.erf, exp: tf.exp },
  ...{ expm1: tf.expm1, floor: tf.floor, leakyRelu: tf.leakyRelu, neg: tf.neg, relu: tf.relu },
  ...{ relu6: tf.relu6, round: tf.round, selu: tf.selu, sigmoid: tf.sigmoid, sign: tf.sign },
  ...{ sin: tf.sin, sinh: tf.sinh, softplus: tf.softplus, square: tf.square, step: tf.step },
  ...{ tan: tf.tan, tanh: tf.tanh, atan: tf.atan, asinh: tf.asinh, cosh: tf.cosh },
};

const unary: [string, (x: tf.Tensor) => tf.Tensor, low?: number, high?: number][] = [
  ...Object.entries(plainUnary),
  ['isNaN', tf.isNaN],
  ['isInf', tf.isInf],
  ['isFinite', tf.isFinite],
  ['clipByValue', (x) => tf.clipByValue(x, -0.5, 0.75)],
  ['log', tf.log, 1e-6, 50],
  ['log1p', tf.log1p, -0.9, 5],
  ['sqrt', tf.sqrt, 0, 9],
  ['rsqrt', tf.rsqrt, 0.01, 9],
  ['reciprocal', tf.reciprocal, 0.1, 9],
  ['acos', tf.acos, -1, 1],
  ['asin', tf.asin, -1, 1],
  ['atanh', tf.atanh, -0.9, 0.9],
  ['acosh', tf.acosh, 1, 9],
];

const shapePairs: [number[], number[]][] = [
  [[5], [5]],
  [
    [33, 7],
    [33, 7],
  ],
  [[33, 70], [70]],
  [
    [33, 70],
    [33, 1],
  ],
  [[33, 70], []],
  [
    [1, 70],
    [33, 1],
  ],
  [
    [2, 1, 5, 3],
    [4, 1, 3],
  ],
  [
    [140, 257],
    [140, 257],
  ],
  [
    [3, 1, 2, 1, 2],
    [1, 4, 2, 5, 1],
  ],
  [[0, 3], [3]],
];

const binary = {
  ...{ add: tf.add, sub: tf.sub, mul: tf.mul, maximum: tf.maximum, minimum: tf.minimum },
  ...{ squaredDifference: tf.squaredDifference, floorDiv: tf.floorDiv, mod: tf.mod },
};
const tests = {
  ...{ equal: tf.equal, notEqual: tf.notEqual, greater: tf.greater, less: tf.less },
  ...{ greaterEqual: tf.greaterEqual, lessEqual: tf.lessEqual },
};
const floatBinary = { div: tf.div, atan2: tf.atan2, prelu: tf.prelu };
const logical = { logicalAnd: tf.logicalAnd, logicalOr: tf.logicalOr };

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
type Make = (shape: number[], seed: number) => tf.Tensor;

function binaryCases(ops: Record<string, Binary>, type: string, make: Make): KernelCase[] {
  return Object.entries(ops).flatMap(([name, op]) =>
    shapePairs.map(
      ([a, b]): KernelCase => [`${name} ${type} [${a}] [${b}]`, () => op(make(a, 1), make(b, 2))],
    ),
  );
}

const axes: [number[], number | number[] | undefined][] = [
  [[7], undefined],
  [[33, 70], 1],
  [[33, 70], 0],
  [[3, 4, 5], 1],
  [
    [3, 4, 5],
    [0, 2],
  ],
  [
    [3, 4, 5],
    [1, 2],
  ],
  [[3, 4, 5], -1],
  [
    [2, 3, 4, 5],
    [0, 1],
  ],
  [[270000], undefined],
  [[300, 130], 0],
  [[4, 1, 3], 1],
];

const reductions = { sum: tf.sum, mean: tf.mean, max: tf.max, min: tf.min };

const reduceCases: KernelCase[] = axes.flatMap(([shape, axis]) => [
  ...Object.entries(reductions).flatMap(([name, op]): KernelCase[] => [
    [`${name} [${shape}] over ${axis}`, () => op(floats(shape), axis), true],
    [`${name} int32 [${shape}] over ${axis}`, () => op(ints(shape), axis, true)],
  ]),
  [`prod [${shape}] over ${axis}`, () => tf.prod(floats(shape, 1, 0.9, 1.1), axis), true],
  [`any [${shape}] over ${axis}`, () => tf.any(bools(shape), axis)],
  [`all [${shape}] over ${axis}`, () => tf.all(bools(shape), axis)],
  ...(typeof axis === 'number'
    ? ([
        [`argMax [${shape}] along ${axis}`, () => tf.argMax(floats(shape), axis)],
        [`argMin [${shape}] along ${axis}`, () => tf.argMin(floats(shape), axis)],
      ] satisfies KernelCase[])
    : []),
]);

const products: [number[], number[], boolean, boolean][] = [
  [[3, 4], [4, 5], false, false],
  [[4, 3], [4, 5], true, false],
  [[3, 4], [5, 4], false, true],
  [[4, 3], [5, 4], true, true],
  [[65, 70], [70, 33], false, false],
  [[6, 3, 4], [6, 4, 5], false, false],
  [[6, 3, 4], [4, 5], false, false],
  [[3, 4], [6, 4, 5], false, false],
  [[6, 4, 3], [1, 4, 5], true, false],
  [[2, 3, 4, 5], [2, 3, 5, 4], false, false],
  [[0, 4], [4, 5], false, false],
  [[3, 0], [0, 5], false, false],
];

const productCases: KernelCase[] = [
  ...products.map(
    ([a, b, ta, tb]): KernelCase => [
      `matMul [${a}] [${b}] ${ta} ${tb}`,
      () => tf.matMul(floats(a, 1), floats(b, 2), ta, tb),
      true,
    ],
  ),
  ...(['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const).map(
    (activation): KernelCase => [
      `fused matMul with ${activation}`,
      () =>
        tf.fused.matMul({
          a: floats([9, 17], 1) as tf.Tensor2D,
          b: floats([17, 6], 2) as tf.Tensor2D,
          bias: floats([6], 3),
          activation,
          preluActivationWeights: floats([6], 4),
          leakyreluAlpha: 0.3,
        }),
    ],
  ),
  [
    'fused matMul with one slope for all',
    () =>
      tf.fused.matMul({
        a: floats([9, 17], 1) as tf.Tensor2D,
        b: floats([17, 6], 2) as tf.Tensor2D,
        activation: 'prelu',
        preluActivationWeights: tf.scalar(0.3),
      }),
  ],
  [
    'fused matMul of a long inner axis',
    () =>
      tf.fused.matMul({
        a: floats([20, 700], 1) as tf.Tensor2D,
        b: floats([700, 75], 2) as tf.Tensor2D,
        bias: floats([75], 3),
        activation: 'relu',
      }),
    true,
  ],
  ...(['linear', 'relu6', 'elu', 'leakyrelu', 'prelu'] as const).map(
    (activation): KernelCase => [
      `fused conv2d with ${activation}`,
      () =>
        tf.fused.conv2d({
          x: floats([2, 7, 6, 3], 1) as tf.Tensor4D,
          filter: floats([3, 3, 3, 5], 2) as tf.Tensor4D,
          strides: 1,
          pad: 'same',
          bias: floats([5], 3),
          activation,
          preluActivationWeights: floats([5], 4) as tf.Tensor,
          leakyreluAlpha: 0.3,
        }),
      true,
    ],
  ),
  ['einsum', () => tf.einsum('bqhd,bkhd->bhqk', floats([2, 5, 3, 4]), floats([2, 6, 3, 4], 2))],
];

const layoutCases: KernelCase[] = [
  ...[
    [1, 0],
    [0, 2, 1],
    [2, 1, 0],
    [1, 2, 0],
    [3, 1, 0, 2],
  ].map(
    (perm): KernelCase => [
      `transpose ${perm}`,
      () => tf.transpose(floats([17, 33, 5, 2].slice(0, perm.length)), perm),
    ],
  ),
  ['transpose int32 with large axes', () => tf.transpose(ints([130, 67]))],
  ['transpose bool', () => tf.transpose(bools([13, 6]))],
  ['slice', () => tf.slice(floats([9, 8, 7]), [1, 2, 3], [5, 4, 2])],
  ['slice of nothing', () => tf.slice(floats([9, 8]), [1, 2], [0, 4])],
  ['strided slice', () => tf.stridedSlice(floats([9, 8]), [8, 0], [0, 8], [-2, 3])],
  ['concat along 0', () => tf.concat([floats([2, 3]), floats([4, 3], 2)], 0)],
  ['concat along 1', () => tf.concat([floats([2, 3]), floats([2, 5], 2), floats([2, 1], 3)], 1)],
  ['concat of bools', () => tf.concat([bools([2, 3]), bools([2, 3], 2)], -1)],
  ['stack', () => tf.stack([floats([2, 3]), floats([2, 3], 2)], 1)],
  ['unstack', () => tf.unstack(floats([2, 3, 4]), 1)],
  ['split', () => tf.split(floats([4, 9]), [2, 3, 4], 1)],
  ['tile', () => tf.tile(floats([2, 1, 3]), [2, 3, 2])],
  ['reverse', () => tf.reverse(floats([2, 5, 3]), [0, 2])],
  [
    'pad',
    () =>
      tf.pad(
        floats([2, 3]),
        [
          [1, 2],
          [0, 3],
        ],
        7,
      ),
  ],
  [
    'pad int32',
    () =>
      tf.pad(ints([2, 3]), [
        [1, 0],
        [0, 0],
      ]),
  ],
  ['where', () => tf.where(bools([4, 5]), floats([4, 5]), floats([4, 5], 2))],
  ['where with broadcasting', () => tf.where(bools([4, 1]), floats([5]), tf.scalar(0))],
  ['gather', () => tf.gather(floats([7, 3]), tf.tensor1d([6, 0, 3, 3], 'int32'))],
  ['gather along 1', () => tf.gather(floats([2, 7, 3]), ints([2, 2], 1, 0, 6), 1)],
  ['gather by batch', () => tf.gather(floats([2, 7, 3]), ints([2, 4], 1, 0, 6), 1, 1)],
  [
    'unsortedSegmentSum',
    () => tf.unsortedSegmentSum(floats([50, 70]), ints([50], 1, -1, 6) as tf.Tensor1D, 5),
  ],
];

const otherCases: KernelCase[] = [
  ...[[tf.cumsum, 'cumsum'] as const, [tf.cumprod, 'cumprod'] as const].flatMap(([op, name]) =>
    [0, 1, 2].flatMap((axis) =>
      [false, true].map(
        (flag): KernelCase => [
          `${name} along ${axis}`,
          () => op(floats([3, 4, 5]), axis, flag, !flag),
        ],
      ),
    ),
  ),
  ['softmax', () => tf.softmax(floats([33, 70], 1, -40, 40))],
  [
    'softmax of extremes',
    () =>
      tf.softmax(
        tf.tensor2d([
          [1e30, -1e30, 1e30],
          [-200, 0, 200],
        ]),
      ),
  ],
  ['logSoftmax', () => tf.logSoftmax(floats([33, 70]))],
  ['addN', () => tf.addN([floats([3, 4]), floats([3, 4], 2), floats([3, 4], 3)])],
  ['oneHot', () => tf.oneHot(ints([6], 1, -1, 5), 4, 2, -1)],
  ['fill', () => tf.fill([3, 4], 2.5)],
  ['zerosLike', () => tf.zerosLike(ints([3]))],
  ['onesLike', () => tf.onesLike(bools([3]))],
  ['range', () => tf.range(10, -5, -0.75)],
  ['cast float32 to int32', () => tf.cast(tf.tensor1d([-2.7, 2.7, 3e9, -5e9, NaN]), 'int32')],
  ['cast float32 to bool', () => tf.cast(tf.tensor1d([0, -2, 0.1]), 'bool')],
  ['cast int32 to float32', () => tf.cast(ints([9]), 'float32')],
  ['cast bool to int32', () => tf.cast(bools([9]), 'int32')],
  ['logicalNot', () => tf.logicalNot(bools([9]))],
  ['pow', () => tf.pow(floats([9], 1, 0, 3), floats([9], 2))],
];

/** Calls whose kernels are all native. */
export const kernelCases: KernelCase[] = [
  ...unary.flatMap(([name, op, low = -3, high = 3]): KernelCase[] => [
    [`${name} [1]`, () => op(floats([1], 1, low, high))],
    [`${name} [140, 257]`, () => op(floats([140, 257], 1, low, high))],
    ...(low === -3 ? ([[`${name} of extremes`, () => op(special())]] satisfies KernelCase[]) : []),
    [`${name} of NaN and infinity`, () => op(notFinite())],
  ]),
  ...binaryCases({ ...binary, ...tests, ...floatBinary }, 'float32', floats),
  ...binaryCases({ ...binary, ...tests }, 'int32', (shape, seed) => ints(shape, seed, 1, 9)),
  ...binaryCases(tests, 'bool', bools),
  ...binaryCases(logical, 'bool', bools),
  ['maximum of NaN', () => tf.maximum(notFinite(), tf.tensor1d([1, NaN, 2, NaN]))],
  ['mod of signs', () => tf.mod(tf.tensor1d([5, -5, 5, -5]), tf.tensor1d([3, 3, -3, -3]))],
  ...reduceCases,
  [
    'max of NaN',
    () =>
      tf.max(
        tf.tensor2d([
          [1, NaN, 3],
          [4, 5, 6],
        ]),
        1,
      ),
  ],
  ...productCases,
  ...layoutCases,
  ...otherCases,
];
