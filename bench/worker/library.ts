import type * as tf from '@tensorflow/tfjs-core';
import type { LanguageModelConfig } from '../../src/models/language_model_config';
import type { FastWeightInputs, FastWeightScanOptions } from '../../src/ops/fast_weight_scan';
import type { FastWeights } from '../../src/ops/fast_weight_state';
import type { NewtonSchulzMethod } from '../../src/ops/newton_schulz';
import type { Program } from '../../src/ops/programs';

/** A language model whose parameters an optimizer can update. */
export interface TrainableModel {
  variables: Map<string, tf.Variable>;
  logits(ids: tf.Tensor2D): tf.Tensor;
  loss(ids: tf.Tensor2D, labels: tf.Tensor2D): tf.Scalar;
  /** Sequences read call by call, where the implementation has that. */
  startSession?(batch: number): DecodingSession;
}

/** Sequences that are read call by call; logits [batch, vocabSize] are of the last token. */
export interface DecodingSession {
  prefill(ids: readonly ArrayLike<number>[]): tf.Tensor2D;
  step(ids: ArrayLike<number>): tf.Tensor2D;
  dispose(): void;
}

/** The operations to measure, as one implementation on one tfjs backend has them. */
export interface Library {
  newtonSchulz(d: tf.Tensor3D, schedule: string, method?: NewtonSchulzMethod): tf.Tensor3D;
  scan(
    inputs: FastWeightInputs,
    weights: FastWeights,
    program: Program,
    options: FastWeightScanOptions,
  ): tf.Tensor3D;
  attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, window: number): tf.Tensor4D;
  languageModel(parameters: Record<string, tf.Tensor>, config: LanguageModelConfig): TrainableModel;
  /** Adam without weight decay, beta1 0.9, beta2 0.999, epsilon 1e-8. */
  adam(learningRate: number): tf.Optimizer;
}
