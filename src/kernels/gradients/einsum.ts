import { broadcastTo, einsum, type GradConfig, reshape, type Tensor } from '@tensorflow/tfjs-core';

/**
 * Gradient of Einsum: the same contraction with the output's cotangent in place of the operand.
 * With out = einsum('ab,bc->ac', x, y): dx = einsum('ac,bc->ab', dy, y).
 */
export const einsumGradient: GradConfig = {
  kernelName: 'Einsum',
  saveAllInputs: true,
  gradFunc: (dy, saved, attrs) => {
    const [operands, output] = (attrs.equation as string).replace(/\s/g, '').split('->');
    const labels = operands.split(',');
    const gradients: ReturnType<GradConfig['gradFunc']> = {};
    saved.forEach((operand, index) => {
      const others = saved.map((tensor, at) => ({ tensor, labels: labels[at] }));
      others.splice(index, 1, { tensor: dy as Tensor, labels: output });
      gradients[index] = () => contractTo(labels[index], operand.shape, others);
    });
    return gradients;
  },
};

/** einsum of `terms` to the labels `target`, repeated along the labels that no term has. */
function contractTo(
  target: string,
  shape: number[],
  terms: { tensor: Tensor; labels: string }[],
): Tensor {
  const known = [...target].filter((label) => terms.some(({ labels }) => labels.includes(label)));
  const equation = `${terms.map(({ labels }) => labels).join(',')}->${known.join('')}`;
  const contracted = einsum(equation, ...terms.map(({ tensor }) => tensor));
  if (known.length === target.length) return contracted;
  const kept = shape.map((size, axis) => (known.includes(target[axis]) ? size : 1));
  return broadcastTo(reshape(contracted, kept), shape);
}
