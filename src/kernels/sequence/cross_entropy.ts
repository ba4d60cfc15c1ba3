import type { GradConfig, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { type GradientTable, runKernel } from './gradient';
import { filled } from './outputs';

export const softmaxCrossEntropy = 'SparseSoftmaxCrossEntropy';
const softmaxCrossEntropyBackward = 'SparseSoftmaxCrossEntropyBackward';

/** logits [rows, classes], labels [rows] int32 */
type Inputs = { logits: TensorInfo; labels: TensorInfo };
type BackwardInputs = Inputs & { logSumExp: TensorInfo; lossCotangent: TensorInfo };

/** -> loss [], logSumExp [rows, 2] */
function forward({ inputs: { logits, labels }, backend }: KernelCall<Inputs>): TensorInfo[] {
  const [rows, classes] = logits.shape;
  return filled(backend, [[], [rows, 2]], (loss, logSumExp) =>
    backend.addon.softmaxCrossEntropy(
      backend.handleOf(logits),
      backend.handleOf(labels),
      loss,
      logSumExp,
      rows,
      classes,
    ),
  );
}

/** -> the cotangent of logits */
function backward({
  inputs: { logits, labels, logSumExp, lossCotangent },
  backend,
}: KernelCall<BackwardInputs>): TensorInfo {
  const [rows, classes] = logits.shape;
  const [logitsCotangent] = filled(backend, [logits.shape], (dLogits) =>
    backend.addon.softmaxCrossEntropyBackward(
      backend.handleOf(logits),
      backend.handleOf(labels),
      backend.handleOf(logSumExp),
      backend.handleOf(lossCotangent),
      dLogits,
      rows,
      classes,
    ),
  );
  return logitsCotangent;
}

const gradient: GradConfig = {
  kernelName: softmaxCrossEntropy,
  inputsToSave: ['logits', 'labels'],
  outputsToSave: [false, true],
  gradFunc: (cotangents, [logits, labels, logSumExp]) => {
    const [lossCotangent] = cotangents as Tensor[];
    const inputs = { logits, labels, logSumExp, lossCotangent };
    return { logits: () => runKernel(softmaxCrossEntropyBackward, inputs, {}) };
  },
};

export const crossEntropyKernels: KernelTable = [
  [softmaxCrossEntropy, asKernelFunc(forward)],
  [softmaxCrossEntropyBackward, asKernelFunc(backward)],
];

export const crossEntropyGradients: GradientTable = [gradient];
