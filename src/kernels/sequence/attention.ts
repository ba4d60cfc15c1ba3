import type { GradConfig, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { AttentionShape } from '../../native/sequence_addon';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { runByPosition } from '../run_by_position';
import type { GradientTable } from './gradient';
import { filled } from './outputs';

export const attention = 'Attention';
const attentionBackward = 'AttentionBackward';

export interface AttentionAttrs {
  /** At most keyTokens, which means that all tokens before are seen; read where causal. */
  window: number;
  scale: number;
  /** Whether a query sees no key after it. */
  causal: boolean;
  /** Whether the output, which the backward reads, is stored as bfloat16. */
  stored: boolean;
}

/**
 * By position: q [batch, queryTokens, heads, headDim], k, v [batch, keyTokens, heads, headDim] and,
 * where there is one, firstKeys [batch, queryTokens] int32.
 */
type Inputs = TensorInfo[];

function attentionShape([q, k]: Inputs, attrs: AttentionAttrs): AttentionShape {
  const [batch, queryTokens, heads, headDim] = q.shape;
  const { window, scale, causal } = attrs;
  return [batch, heads, queryTokens, k.shape[1], headDim, window, scale, causal];
}

/** -> output, shaped as q, and logSumExp [batch, heads, queryTokens] */
function forward({ inputs, attrs, backend }: KernelCall<Inputs, AttentionAttrs>): TensorInfo[] {
  const [batch, tokens, heads] = inputs[0].shape;
  const shapes = [inputs[0].shape, [batch, heads, tokens]];
  const [q, k, v, firstKeys = 0] = inputs.map((tensor) => backend.handleOf(tensor));
  return filled(
    backend,
    shapes,
    (output, logSumExp) =>
      backend.addon.attention(
        q,
        k,
        v,
        firstKeys,
        output,
        logSumExp,
        ...attentionShape(inputs, attrs),
      ),
    attrs.stored,
  );
}

/** From output, logSumExp, the output's cotangent and the inputs: the cotangents of q, k and v. */
function backward({ inputs, attrs, backend }: KernelCall<Inputs, AttentionAttrs>): TensorInfo[] {
  const given = inputs.slice(3);
  const [output, logSumExp, outputCotangent, q, k, v, firstKeys = 0] = inputs.map((tensor) =>
    backend.handleOf(tensor),
  );
  const shapes = given.slice(0, 3).map(({ shape }) => shape);
  return filled(backend, shapes, (dq, dk, dv) =>
    backend.addon.attentionBackward(
      q,
      k,
      v,
      firstKeys,
      output,
      logSumExp,
      outputCotangent,
      dq,
      dk,
      dv,
      ...attentionShape(given, attrs),
    ),
  );
}

const gradient: GradConfig = {
  kernelName: attention,
  saveAllInputs: true,
  outputsToSave: [true, true],
  gradFunc: (cotangents, saved, attrs) => {
    const [output, logSumExp] = saved.slice(-2);
    const [outputCotangent] = cotangents as Tensor[];
    const inputs = [output, logSumExp, outputCotangent, ...saved.slice(0, -2)];
    const gradients = runByPosition(attentionBackward, inputs, attrs);
    return Object.fromEntries(gradients.map((gradient, at) => [at, () => gradient]));
  },
};

export const attentionKernels: KernelTable = [
  [attention, asKernelFunc(forward)],
  [attentionBackward, asKernelFunc(backward)],
];

export const attentionGradients: GradientTable = [gradient];
