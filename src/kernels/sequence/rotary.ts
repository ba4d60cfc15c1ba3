import type { GradConfig, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { type GradientTable, runKernel } from './gradient';
import { filled } from './outputs';

export const rotaryEmbedding = 'RotaryEmbedding';

export interface RotaryEmbeddingAttrs {
  base: number;
  offset: number;
  interleaved: boolean;
  /** Turn by the negative angles. */
  inverse: boolean;
}

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

const gradient: GradConfig = {
  kernelName: rotaryEmbedding,
  gradFunc: (yCotangent, _saved, attrs) => ({
    x: () =>
      runKernel(
        rotaryEmbedding,
        { x: yCotangent as Tensor },
        {
          ...attrs,
          inverse: !(attrs as unknown as RotaryEmbeddingAttrs).inverse,
        },
      ),
  }),
};

export const rotaryKernels: KernelTable = [[rotaryEmbedding, asKernelFunc(rotary)]];
export const rotaryGradients: GradientTable = [gradient];
