import {
  add,
  clone,
  concat,
  dispose,
  mul,
  reshape,
  slice,
  split,
  sub,
  type Tensor,
  type Tensor3D,
  type Tensor5D,
  tensor2d,
  tidy,
} from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { VideoCache } from '../layers/video_cache';
import { expected } from '../native/errors';
import { randomNormal } from '../ops/random';
import { assertAtLeast, assertFinite, assertInteger, assertTensor } from '../ops/validate';
import { resolveVideoDiffusionConfig, type VideoDiffusionConfig } from './video_diffusion_config';
import { noiseTime, shiftedTime, wholeWindows } from './video_loss';

export interface VideoSamplingOptions {
  /** Frames of the video, those given included; a whole number of windows. */
  frames: number;
  /** Videos to sample; left out, as many as `given` or `context` has, else 1. */
  batch?: number;
  /** The video's start, whole windows: [batch, frames, height, width, channels]. */
  given?: Tensor5D;
  /** Context embeddings [batch, context tokens, textDim], for a model that has context. */
  context?: Tensor3D;
  /** What the context is guided away from, shaped as `context`; without it there is no guidance. */
  negativeContext?: Tensor3D;
  /** Scale of classifier-free guidance (arXiv 2207.12598). Default 5; 1 is no guidance. */
  guidance?: number;
  /** Euler steps of a window. Default 50. */
  steps?: number;
  /** Moves the steps' times towards noise, as in training. Default 3. */
  timestepShift?: number;
  /** Seed of the noise. Default 0. */
  seed?: number;
  /** Told after each step of how many. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * Reads a noisy window with what the cache holds of the clean windows before it; the cache stays.
 *
 * @param model made by {@link videoDiffusion}
 * @param window [batch, frames, height, width, channels] of one window
 * @param time from 0 to 1000
 * @param context [batch, context tokens, textDim], for a model that has context
 * @returns the velocity noise - video, shaped as the window
 * @throws FastWeightError ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_DISPOSED
 */
export function readWindow(
  model: LayersModel,
  cache: VideoCache,
  window: Tensor5D,
  time: number,
  context?: Tensor3D,
): Tensor5D {
  const [windowsInput, , contextInput] = model.inputs;
  const size = windowsInput.shape.slice(2) as number[];
  assertTensor('window', window, ['batch', ...size]);
  assertAtLeast('time', time, 0);
  assertContext(contextInput?.shape[2] ?? 0, window.shape[0], context);
  return tidy(() => {
    const [batch, ...picture] = window.shape;
    const windows: Tensor = reshape(window, [batch, 1, ...picture]);
    const times = tensor2d(new Float32Array(batch).fill(time), [batch, 1]);
    const inputs = context === undefined ? [windows, times] : [windows, times, context];
    return reshape(model.apply(inputs, { videoCache: cache }) as Tensor, window.shape);
  });
}

/**
 * Writes the next clean window into the cache: every layer's fast weights, keys and values.
 *
 * @param window, context as {@link readWindow} takes them
 * @throws FastWeightError as {@link readWindow}; the cache is then as it was
 */
export function writeWindow(
  model: LayersModel,
  cache: VideoCache,
  window: Tensor5D,
  context?: Tensor3D,
): void {
  cache.write(() => readWindow(model, cache, window, 0, context).dispose());
}

/** Throws unless there is context exactly where a model has it, of the right shape. */
function assertContext(textDim: number, batch: number, context?: Tensor3D): void {
  if ((context !== undefined) !== textDim > 0) {
    const expectation = textDim > 0 ? 'embeddings' : 'none, as the model has no context,';
    throw expected('ERR_ARGUMENT', expectation, 'context', context ? 'embeddings' : 'none');
  }
  if (context !== undefined) assertTensor('context', context, [batch, 'tokens', textDim]);
}

/** What a call of {@link sampleVideo} comes down to. */
interface Plan {
  /** [batch, frames of a window, height, width, channels] */
  shape: [number, number, number, number, number];
  /** Windows of the video, and how many of them are given. */
  windows: number;
  givenWindows: number;
  /** Times of the steps, from 1 down to 0: one more than there are steps. */
  times: number[];
  /** Scale of the guidance; 1 where there is none. */
  guidance: number;
  /** Seed of the first window's noise; the next window's is the next number. */
  seed: number;
}

/** @throws FastWeightError as {@link sampleVideo} */
function planOf(config: VideoDiffusionConfig, options: VideoSamplingOptions): Plan {
  const { frames, given, context, negativeContext, guidance = 5 } = options;
  const { steps = 50, timestepShift = 3, seed = 0 } = options;
  const { windowFrames, height, width, channels, textDim } = config;
  assertInteger('frames', frames, 1);
  assertInteger('steps', steps, 1);
  assertInteger('seed', seed, 0);
  assertFinite('guidance', guidance);
  assertAtLeast('timestepShift', timestepShift, Number.MIN_VALUE);
  const batch = options.batch ?? given?.shape[0] ?? context?.shape[0] ?? 1;
  assertInteger('batch', batch, 1);
  const windows = wholeWindows('frames', frames, windowFrames);
  let givenWindows = 0;
  if (given !== undefined) {
    assertTensor('given', given, [batch, 'frames', height, width, channels]);
    givenWindows = wholeWindows('given', given.shape[1], windowFrames);
    if (givenWindows > windows) {
      throw expected('ERR_RANGE', `at most ${frames} frames`, 'given', `${given.shape[1]}`);
    }
  }
  assertContext(textDim, batch, context);
  if (negativeContext !== undefined) {
    assertTensor('negativeContext', negativeContext, context?.shape ?? []);
  }
  return {
    shape: [batch, windowFrames, height, width, channels],
    windows,
    givenWindows,
    times: Array.from({ length: steps + 1 }, (_, at) => shiftedTime(1 - at / steps, timestepShift)),
    guidance: negativeContext === undefined ? 1 : guidance,
    seed: seed * windows,
  };
}

/**
 * Samples videos window by window: each window from noise by Euler steps along the velocity over
 * shifted times, reading the fast weights and the keys and values of the clean windows before it,
 * then written into them. With a negative context the velocity is
 * negative + guidance (positive - negative); both go through the model as one batch.
 *
 * @param model made by {@link videoDiffusion} of `config`
 * @returns [batch, frames, height, width, channels], the given frames first
 * @throws FastWeightError ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_DISPOSED, before
 *   anything is computed
 */
export async function sampleVideo(
  model: LayersModel,
  config: Partial<VideoDiffusionConfig>,
  options: VideoSamplingOptions,
): Promise<Tensor5D> {
  const plan = planOf(resolveVideoDiffusionConfig(config), options);
  const { windows, givenWindows } = plan;
  const sampler = new WindowSampler(model, plan, options);
  const made: Tensor5D[] = [];
  try {
    for (let window = 0; window < windows; window++) {
      if (window < givenWindows) {
        made.push(windowOf(options.given as Tensor5D, window, plan));
      } else {
        const noise = randomNormal(plan.shape, 0, 1, plan.seed + window) as Tensor5D;
        made.push(await sampler.sample(noise));
      }
      if (window + 1 < windows) sampler.write(made[window]);
    }
    return concat(made, 1);
  } finally {
    sampler.dispose();
    dispose(made);
  }
}

/** Frames of one window of a video. */
function windowOf(video: Tensor5D, window: number, { shape }: Plan): Tensor5D {
  const [, frames, height, width, channels] = shape;
  const size = [-1, frames, height, width, channels];
  return slice(video, [0, window * frames, 0, 0, 0], size as typeof shape);
}

/** The state of a sampling: what was written so far, and the contexts in one batch. */
class WindowSampler {
  private readonly cache = new VideoCache();
  private readonly context?: Tensor3D;
  private stepsDone = 0;

  constructor(
    private readonly model: LayersModel,
    private readonly plan: Plan,
    private readonly options: VideoSamplingOptions,
  ) {
    const { context, negativeContext } = options;
    if (context !== undefined) {
      this.context = negativeContext ? concat([context, negativeContext], 0) : clone(context);
    }
  }

  /** Whether each video is in the batch twice, once with each context. */
  private get guided(): boolean {
    return this.options.negativeContext !== undefined;
  }

  /** The next window, from noise, which is disposed. */
  async sample(noise: Tensor5D): Promise<Tensor5D> {
    const { times, windows, givenWindows } = this.plan;
    const steps = times.length - 1;
    let x = noise;
    for (let step = 0; step < steps; step++) {
      const before = x;
      x = tidy(() => {
        const velocity = this.velocity(before, times[step]);
        return add(before, mul(velocity, times[step + 1] - times[step]));
      });
      before.dispose();
      this.options.onProgress?.(++this.stepsDone, steps * (windows - givenWindows));
      // Signals and what shows the progress get their turn between two steps.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return x;
  }

  write(window: Tensor5D): void {
    tidy(() => writeWindow(this.model, this.cache, this.inBatch(window), this.context));
  }

  dispose(): void {
    this.cache.dispose();
    this.context?.dispose();
  }

  private inBatch(window: Tensor5D): Tensor5D {
    return this.guided ? concat([window, window], 0) : window;
  }

  private velocity(x: Tensor5D, time: number): Tensor5D {
    const { model, cache, context } = this;
    const velocity = readWindow(model, cache, this.inBatch(x), noiseTime * time, context);
    if (!this.guided) return velocity;
    const [positive, negative] = split(velocity, 2, 0);
    return add(negative, mul(sub(positive, negative), this.plan.guidance));
  }
}
