import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { softmaxCrossEntropy as softmaxCrossEntropyKernel } from '../kernels/sequence/cross_entropy';
import { runNativeKernel } from './native_kernel';
import { assertBackend, assertTensor } from './validate';

/**
 * Mean over the tokens of -log softmax(logits)[label], in nats. Tokens whose label is negative,
 * such as -100, do not count; where no token counts the loss is 0.
 *
 * @param logits [tokens, classes]
 * @param labels [tokens], int32, below `classes`
 * @returns []
 * @throws FastWeightError ERR_RANGE for a label of `classes` or more; ERR_SHAPE, ERR_DTYPE,
 *   ERR_ARGUMENT, ERR_DISPOSED, ERR_DEVICE_UNAVAILABLE
 */
export function softmaxCrossEntropy(logits: Tensor2D, labels: Tensor1D): Scalar {
  assertBackend('softmaxCrossEntropy');
  assertTensor('logits', logits, ['tokens', 'classes']);
  assertTensor('labels', labels, [logits.shape[0]], 'int32');
  return runNativeKernel(softmaxCrossEntropyKernel, { logits, labels });
}
