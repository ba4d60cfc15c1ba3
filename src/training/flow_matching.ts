import {
  add,
  mul,
  reshape,
  slice,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor5D,
  tensor2d,
  tensor5d,
  tidy,
  tile,
} from '@tensorflow/tfjs-core';
import type { Random } from '../data/random';
import type { VideoDiffusionConfig } from '../models/video_diffusion_config';
import { noiseTime, shiftedTime, type VideoBatch, wholeWindows } from '../models/video_loss';
import { randomNormal } from '../ops/random';
import { assertAtLeast, assertChoice, assertTensor } from '../ops/validate';

/** How the times of training are drawn and weighted. */
export interface FlowMatchingOptions {
  /** Moves times towards noise: shift s / (1 + (shift - 1) s). Default 3; 1 leaves them. */
  timestepShift?: number;
  /** How times in (0, 1) are drawn, before the shift. Default 'uniform'. */
  timeSampling?: 'uniform' | 'logitNormal';
  /** Weight losses by the logit-normal density of the time before the shift. Default true. */
  logitNormalWeighting?: boolean;
  /** Standard deviation of the logits of that distribution. Default 1. */
  logitNormalStd?: number;
}

/** Density at `time` in (0, 1) of numbers whose logits are normal with mean 0. */
export function logitNormalDensity(time: number, std = 1): number {
  const logit = Math.log(time / (1 - time));
  const density = Math.exp(-0.5 * (logit / std) ** 2) / (std * Math.sqrt(2 * Math.PI));
  return density / (time * (1 - time));
}

/** A number in (0, 1). */
function insideUniform(random: Random): number {
  return (random.word() + 0.5) / 2 ** 32;
}

function drawTime(random: Random, sampling: 'uniform' | 'logitNormal', std: number): number {
  if (sampling === 'uniform') return insideUniform(random);
  // Box and Muller's transform.
  const radius = Math.sqrt(-2 * Math.log(insideUniform(random)));
  const logit = std * radius * Math.cos(2 * Math.PI * insideUniform(random));
  return 1 / (1 + Math.exp(-logit));
}

/**
 * A batch of teacher-forced flow matching: each window of the video `numRepeat` times noisy, as
 * (1 - s) video + s noise with a time s of its own, then clean, in the interleaved order; the model
 * is to predict noise - video (arXiv 2210.02747; LaCT, arXiv 2505.23884, section 4.3).
 *
 * The published weights are means of the logit-normal density over thousandths; these are the
 * density itself.
 *
 * @param video [batch, frames, height, width, channels], about of unit deviation; a whole number of
 *   windows
 * @param config the model's `windowFrames` and `numRepeat`
 * @param random draws times and noise
 * @returns new tensors, the caller's to dispose
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_ARGUMENT
 */
export function flowMatchingBatch(
  video: Tensor5D,
  config: Pick<VideoDiffusionConfig, 'windowFrames' | 'numRepeat'>,
  random: Random,
  options: FlowMatchingOptions = {},
): VideoBatch {
  const { timestepShift = 3, timeSampling = 'uniform', logitNormalStd = 1 } = options;
  const { logitNormalWeighting = true } = options;
  const { windowFrames, numRepeat } = config;
  assertTensor('video', video, ['batch', 'frames', 'height', 'width', 'channels']);
  assertChoice('timeSampling', timeSampling, ['uniform', 'logitNormal']);
  assertAtLeast('timestepShift', timestepShift, Number.MIN_VALUE);
  assertAtLeast('logitNormalStd', logitNormalStd, Number.MIN_VALUE);
  const [batch, frames, ...picture] = video.shape;
  const count = wholeWindows('video', frames, windowFrames);
  const stride = numRepeat + 1;
  const times = new Float32Array(batch * count * stride);
  const weights = new Float32Array(batch * count * stride);
  for (let at = 0; at < times.length; at++) {
    if (at % stride === numRepeat) continue;
    const time = drawTime(random, timeSampling, logitNormalStd);
    times[at] = shiftedTime(time, timestepShift);
    const weight = logitNormalWeighting ? logitNormalDensity(time, logitNormalStd) : 1;
    weights[at] = weight / (batch * count * numRepeat);
  }
  return tidy(() => {
    const clean = tile(reshape(video, [batch, count, 1, windowFrames, ...picture]), [
      1,
      1,
      stride,
      1,
      1,
      1,
      1,
    ]);
    const level = reshape(tensor2d(times, [batch, count * stride]), [batch, count, stride]);
    const noise = randomNormal(clean.shape as never, 0, 1, random.word()) as Tensor;
    const levels = reshape(level, [batch, count, stride, 1, 1, 1, 1]);
    const velocity = sub(noise, clean);
    const noisy = add(clean, mul(levels, velocity));
    // All windows but the last, clean one.
    const kept = (x: Tensor): Tensor => {
      const flat = reshape(x, [batch, count * stride, ...x.shape.slice(3)]);
      const begin = flat.shape.map(() => 0);
      return slice(flat, begin, [-1, count * stride - 1, ...flat.shape.slice(2)]);
    };
    const isNoisy = tensor5d(
      Array.from({ length: stride }, (_, at) => (at < numRepeat ? 1 : 0)),
      [stride, 1, 1, 1, 1],
    );
    const cut = (values: Float32Array): Tensor2D =>
      slice(tensor2d(values, [batch, count * stride]), [0, 0], [-1, count * stride - 1]);
    return {
      windows: kept(noisy),
      times: mul(cut(times), noiseTime) as Tensor2D,
      velocity: kept(mul(velocity, isNoisy)),
      weights: cut(weights),
    };
  });
}
