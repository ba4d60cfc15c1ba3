import type { Handle } from './tensor_storage_addon';

/**
 * Optimizer steps of the addon (native/binding/optimizer_kernels.cc). The variables of a step come
 * as one table of numbers, a row each; they and what the optimizer keeps of them are updated in
 * place.
 */
export interface OptimizerAddon {
  /** Rows of count, variable, gradient, first, second. */
  adamWStep(
    tensors: Float64Array,
    beta1: number,
    beta2: number,
    epsilon: number,
    /** What stays of a variable: 1 - learning rate * decay. */
    kept: number,
    /** Learning rate / (1 - beta1^step). */
    rate: number,
    /** 1 - beta2^step. */
    secondCorrection: number,
  ): void;

  /**
   * Rows of batch, rows, columns, scale, variable, gradient, average; `schedule`: a, b, c of each
   * Newton-Schulz step. Throws ERR_OUT_OF_MEMORY before anything is changed.
   */
  muonStep(
    tensors: Float64Array,
    schedule: Float64Array,
    learningRate: number,
    momentum: number,
    nesterov: boolean,
    kept: number,
  ): void;

  /** Rows of count, handle; writes sqrt of the sum of all squares to `norm` [1]. */
  globalNorm(tensors: Float64Array, norm: Handle): void;
}
