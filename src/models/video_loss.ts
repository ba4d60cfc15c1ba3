import {
  mean,
  mul,
  reshape,
  type Scalar,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tidy,
} from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { expected } from '../native/errors';

/** The model's times of pure noise; a clean window's is 0. */
export const noiseTime = 1000;

/** shift s / (1 + (shift - 1) s): times s in [0, 1] moved towards 1 (arXiv 2403.03206, section 5). */
export function shiftedTime(time: number, shift: number): number {
  return (shift * time) / (1 + (shift - 1) * time);
}

/** The number of windows of so many frames. @throws FastWeightError ERR_SHAPE unless it is whole. */
export function wholeWindows(name: string, frames: number, windowFrames: number): number {
  if (frames > 0 && frames % windowFrames === 0) return frames / windowFrames;
  throw expected('ERR_SHAPE', `a multiple of ${windowFrames} frames`, name, `${frames}`);
}

/** What the model learns from at a step; windows in the interleaved order. */
export interface VideoBatch {
  /** [batch, windows, frames, height, width, channels] */
  windows: Tensor;
  /** [batch, windows], from 0 to 1000 */
  times: Tensor2D;
  /** Shaped as `windows`: noise - video of noisy windows, 0 of clean ones. */
  velocity: Tensor;
  /** [batch, windows]: shares in the loss of the windows' mean squared errors, 0 of clean ones. */
  weights: Tensor2D;
}

/** As {@link VideoBatch}, for a model with context. */
export interface ContextVideoBatch extends VideoBatch {
  /** [batch, context tokens, textDim] */
  context: Tensor3D;
}

/**
 * Mean squared error of the predicted velocity of each window, [batch, windows]; that of clean
 * windows means nothing.
 *
 * @param model made by {@link videoDiffusion}
 */
export function velocityErrors(
  model: LayersModel,
  batch: VideoBatch | ContextVideoBatch,
): Tensor2D {
  return tidy(() => {
    const { windows, times, velocity } = batch;
    const inputs = 'context' in batch ? [windows, times, batch.context] : [windows, times];
    const predicted = model.apply(inputs, { training: true }) as Tensor;
    const errors = reshape(square(sub(predicted, velocity)), [times.size, -1]);
    return reshape(mean(errors, 1), times.shape);
  });
}

/**
 * The loss of flow matching: the weighted mean over the noisy windows of their mean squared errors.
 *
 * @param model made by {@link videoDiffusion}
 * @returns a scalar
 */
export function videoDiffusionLoss(
  model: LayersModel,
  batch: VideoBatch | ContextVideoBatch,
): Scalar {
  return tidy(() => sum<Scalar>(mul(velocityErrors(model, batch), batch.weights)));
}
