import type { GradConfig, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { AttentionShape } from '../../native/sequence_addon';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { type GradientTable, runKernels } from './gradient';
import { filled } from './outputs';

export const attention = 'Attention';
const attentionBackward = 'AttentionBackward';

export interface AttentionAttrs {
  /** At most keyTokens, which means that all tokens before are seen; read where causal. */
  window: number;
  scale: number;
  /** Whether a query sees no key after it. */
  causal: boolean;
}

/** q [batch, queryTokens, heads, headDim]; k, v [batch, keyTokens, heads, headDim] */
type Inputs = { q: TensorInfo; k: TensorInfo; v: TensorInfo };
type BackwardInputs = Inputs & {
  output: TensorInfo;
  logSumExp: TensorInfo;
  outputCotangent: TensorInfo;
};

function attentionShape({ q, k }: Inputs, attrs: AttentionAttrs): AttentionShape {
  const [batch, queryTokens, heads, headDim] = q.shape;
  const { window, scale, causal } = attrs;
  return [batch, heads, queryTokens, k.shape[1], headDim, window, scale, causal];
}

/** -> output, shaped as q, and logSumExp [batch, heads, queryTokens] */
function forward({ inputs, attrs, backend }: KernelCall<Inputs, AttentionAttrs>): TensorInfo[] {
  const { q, k, v } = inputs;
  const [batch, tokens, heads] = q.shape;
  const shapes = [q.shape, [batch, heads, tokens]];
  const [qIn, kIn, vIn] = [q, k, v].map((tensor) => backend.handleOf(tensor));
  return filled(backend, shapes, (output, logSumExp) =>
    backend.addon.attention(qIn, kIn, vIn, output, logSumExp, ...attentionShape(inputs, attrs)),
  );
}

/** -> the cotangents of q, k and v */
function backward({
  inputs,
  attrs,
  backend,
}: KernelCall<BackwardInputs, AttentionAttrs>): TensorInfo[] {
  const { q, k, v, output, logSumExp, outputCotangent } = inputs;
  return filled(backend, [q.shape, k.shape, v.shape], (dq, dk, dv) =>
    backend.addon.attentionBackward(
      backend.handleOf(q),
      backend.handleOf(k),
      backend.handleOf(v),
      backend.handleOf(output),
      backend.handleOf(logSumExp),
      backend.handleOf(outputCotangent),
      dq,
      dk,
      dv,
      ...attentionShape(inputs, attrs),
    ),
  );
}

const gradient: GradConfig = {
  kernelName: attention,
  inputsToSave: ['q', 'k', 'v'],
  outputsToSave: [true, true],
  gradFunc: (cotangents, saved, attrs) => {
    const [q, k, v, output, logSumExp] = saved;
    const [outputCotangent] = cotangents as Tensor[];
    const inputs = { q, k, v, output, logSumExp, outputCotangent };
    const [dq, dk, dv] = runKernels(attentionBackward, inputs, attrs);
    return { q: () => dq, k: () => dk, v: () => dv };
  },
};

export const attentionKernels: KernelTable = [
  [attention, asKernelFunc(forward)],
  [attentionBackward, asKernelFunc(backward)],
];

export const attentionGradients: GradientTable = [gradient];
