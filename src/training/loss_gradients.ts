import * as tf from '@tensorflow/tfjs-core';

/** Tensors by name, such as ids and labels, or images and cameras. */
export type TensorBatch<Batch> = Record<keyof Batch, tf.Tensor>;

/** Mean loss of a batch, a scalar. */
export type LossFunction<Batch extends TensorBatch<Batch>> = (batch: Batch) => tf.Scalar;

/** A gradient by the name that tfjs gives its variable, as `tf.Optimizer` takes it. */
export type NamedGradient = Awaited<ReturnType<tf.Optimizer['getWeights']>>[number];

export interface LossGradients {
  /** Mean over the batches, a float32 number as a checkpoint keeps it. */
  loss: number;
  /** Its gradient by every variable, in their order; zeros where the loss does not reach one. */
  gradients: NamedGradient[];
}

/**
 * The mean loss of `count` batches, each counting alike, and its gradients. A batch is disposed
 * before the next one is made, so memory does not grow with their number.
 */
export function lossGradients<Batch extends TensorBatch<Batch>>(
  loss: LossFunction<Batch>,
  nextBatch: () => Batch,
  count: number,
  variables: tf.Variable[],
): LossGradients {
  let sum = ofBatch(loss, nextBatch(), variables);
  for (let done = 1; done < count; done++) {
    const more = ofBatch(loss, nextBatch(), variables);
    sum = {
      loss: sum.loss + more.loss,
      gradients: combined(sum.gradients, (tensor, at) => tf.add(tensor, more.gradients[at].tensor)),
    };
    tf.dispose(more.gradients.map(({ tensor }) => tensor));
  }
  if (count === 1) return sum;
  return {
    loss: Math.fround(sum.loss / count),
    gradients: combined(sum.gradients, (tensor) => tf.div(tensor, count)),
  };
}

function ofBatch<Batch extends TensorBatch<Batch>>(
  loss: LossFunction<Batch>,
  batch: Batch,
  variables: tf.Variable[],
): LossGradients {
  const { value, grads } = tf.variableGrads(() => loss(batch), variables);
  tf.dispose(Object.values<tf.Tensor>(batch));
  const mean = value.dataSync()[0];
  value.dispose();
  // A parameter that the batch does not reach still has moments, so that a checkpoint is whole.
  const gradients = variables.map((variable) => {
    const { name } = variable;
    return { name, tensor: grads[name] ?? tf.zerosLike(variable) };
  });
  return { loss: mean, gradients };
}

/** New gradients from old ones, which are disposed. */
function combined(
  gradients: NamedGradient[],
  combine: (tensor: tf.Tensor, at: number) => tf.Tensor,
): NamedGradient[] {
  return gradients.map(({ name, tensor }, at) => {
    const made = combine(tensor, at);
    tensor.dispose();
    return { name, tensor: made };
  });
}
