import type { GradConfig, NamedAttrMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { type GradientTable, runKernel } from './gradient';
import { filled } from './outputs';

export const rotaryEmbedding = 'RotaryEmbedding';
export const tableRotaryEmbedding = 'TableRotaryEmbedding';

export interface RotaryEmbeddingAttrs {
  base: number;
  offset: number;
  interleaved: boolean;
  /** Turn by the negative angles. */
  inverse: boolean;
}

export type TableRotaryEmbeddingAttrs = Pick<RotaryEmbeddingAttrs, 'interleaved' | 'inverse'>;

/** x [batch, tokens, heads, headDim] -> y, shaped as x */
function rotary({
  inputs: { x },
  attrs: { base, offset, interleaved, inverse },
  backend,
}: KernelCall<{ x: TensorInfo }, RotaryEmbeddingAttrs>): TensorInfo {
  const [batch, tokens, heads, headDim] = x.shape;
  const [y] = filled(backend, [x.shape], (y) =>
    backend.addon.rotaryEmbedding(
      backend.handleOf(x),
      y,
      batch,
      tokens,
      heads,
      headDim,
      offset,
      base,
      interleaved,
      inverse,
    ),
  );
  return y;
}

/** x [batch, tokens, heads, headDim]; cosines, sines [tokens, headDim / 2] -> y, shaped as x */
function tableRotary({
  inputs: { x, cosines, sines },
  attrs: { interleaved, inverse },
  backend,
}: KernelCall<
  { x: TensorInfo; cosines: TensorInfo; sines: TensorInfo },
  TableRotaryEmbeddingAttrs
>): TensorInfo {
  const [batch, tokens, heads, headDim] = x.shape;
  const [y] = filled(backend, [x.shape], (y) =>
    backend.addon.tableRotaryEmbedding(
      backend.handleOf(x),
      backend.handleOf(cosines),
      backend.handleOf(sines),
      y,
      batch,
      tokens,
      heads,
      headDim,
      interleaved,
      inverse,
    ),
  );
  return y;
}

/** The backward turns the other way. */
function turnedBack(attrs: NamedAttrMap): NamedAttrMap {
  return { ...attrs, inverse: !attrs.inverse };
}

const gradient: GradConfig = {
  kernelName: rotaryEmbedding,
  gradFunc: (yCotangent, _saved, attrs) => ({
    x: () => runKernel(rotaryEmbedding, { x: yCotangent as Tensor }, turnedBack(attrs)),
  }),
};

const tableGradient: GradConfig = {
  kernelName: tableRotaryEmbedding,
  inputsToSave: ['cosines', 'sines'],
  gradFunc: (yCotangent, [cosines, sines], attrs) => ({
    x: () => {
      const inputs = { x: yCotangent as Tensor, cosines, sines };
      return runKernel(tableRotaryEmbedding, inputs, turnedBack(attrs));
    },
  }),
};

export const rotaryKernels: KernelTable = [
  [rotaryEmbedding, asKernelFunc(rotary)],
  [tableRotaryEmbedding, asKernelFunc(tableRotary)],
];
export const rotaryGradients: GradientTable = [gradient, tableGradient];
