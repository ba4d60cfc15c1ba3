import type { Case, Shape, Suite, Tensors } from '../case';
import { attentionBackwardFlops, attentionForwardFlops } from '../flops';
import { normal } from '../random_data';

/** Causal sliding-window attention: forward, and forward with backward. */
export const attention: Suite = {
  name: 'attention',
  shapes: [
    { batch: 1, tokens: 2048, heads: 8, headDim: 64, window: 512 },
    { batch: 1, tokens: 4096, heads: 8, headDim: 64, window: 2048 },
  ],
  quick: [{ batch: 1, tokens: 96, heads: 2, headDim: 16, window: 32 }],
  cases: (shape) => [attentionCase(shape, false), attentionCase(shape, true)],
};

function attentionCase(shape: Shape, backward: boolean): Case {
  const { batch, tokens, heads, headDim, window } = shape;
  const sizes = [batch, tokens, heads, headDim, window] as const;
  const flops = attentionForwardFlops(...sizes) + (backward ? attentionBackwardFlops(...sizes) : 0);
  const direction = backward ? 'forward + backward' : 'forward';
  return {
    suite: 'attention',
    name: `attention ${direction}, tokens ${tokens}, window ${window}, ${heads} heads of ${headDim}`,
    shape,
    task: { operation: 'attention', backward, window },
    flops,
    tolerance: { outputs: 1e-5, gradients: 2e-5 },
    inputs: () => {
      const names = backward ? ['q', 'k', 'v', 'cotangent'] : ['q', 'k', 'v'];
      const tensors: Tensors = new Map();
      for (const [at, name] of names.entries()) {
        tensors.set(name, normal([batch, tokens, heads, headDim], at + 1));
      }
      return tensors;
    },
  };
}
