// Elementwise functions of one float32 tensor.
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';

type Attrs = Readonly<Record<string, number>>;
type Call = KernelCall<{ x: TensorInfo }, Attrs>;

const functions = [
  ...['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Ceil', 'Cos', 'Cosh', 'Elu'],
  ...['Erf', 'Exp', 'Expm1', 'Floor', 'Log', 'Log1p', 'Neg', 'Reciprocal', 'Relu', 'Relu6'],
  ...['Round', 'Rsqrt', 'Selu', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Softplus', 'Sqrt', 'Square'],
  ...['Tan', 'Tanh'],
];

/** Functions with parameters, and the attributes that hold them. */
const parametric: [name: string, ...attributes: string[]][] = [
  ['ClipByValue', 'clipValueMin', 'clipValueMax'],
  ['LeakyRelu', 'alpha'],
  ['Step', 'alpha'],
];

const predicates = ['IsNan', 'IsInf', 'IsFinite'];

function unaryKernel(name: string, first = '', second = '') {
  return ({ inputs: { x }, attrs, backend }: Call) => {
    const code = backend.addon.unaryCodes[name];
    if (x.dtype !== 'float32' || code === undefined) return null;
    const p = attrs?.[first] ?? 0;
    const q = attrs?.[second] ?? 0;
    const count = util.sizeFromShape(x.shape);
    const handle = backend.addon.unary(code, backend.handleOf(x), count, p, q);
    return backend.adopt(handle, x.shape, 'float32');
  };
}

function predicateKernel(name: string) {
  return ({ inputs: { x }, backend }: Call) => {
    const code = backend.addon.predicateCodes[name];
    if (x.dtype !== 'float32' || code === undefined) return null;
    const count = util.sizeFromShape(x.shape);
    const handle = backend.addon.predicate(code, backend.handleOf(x), count);
    return backend.adopt(handle, x.shape, 'bool');
  };
}

export const unaryKernels: KernelTable = [
  ...functions.map((name): KernelTable[0] => [name, kernelOrHost(name, unaryKernel(name))]),
  ...parametric.map(([name, ...attributes]): KernelTable[0] => [
    name,
    kernelOrHost(name, unaryKernel(name, ...attributes)),
  ]),
  ...predicates.map((name): KernelTable[0] => [name, kernelOrHost(name, predicateKernel(name))]),
];
