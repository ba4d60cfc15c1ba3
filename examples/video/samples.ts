import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { Presets, SingleBar } from 'cli-progress';
import { Random, sampleVideo } from 'fastweight';
import { drawClips, type MovingMnist, noContext } from './moving_mnist';
import { writeAnimation, writeStrip } from './pictures';
import type { Settings } from './settings';

/** What the samples are compared by. */
export interface SampleFigures {
  /** Mean squared error of the videos that go on, in each frame, of brightnesses in [0, 1]. */
  continuationErrors: number[];
  /** The same of the last given frame repeated. */
  standstillErrors: number[];
  seconds: number;
}

const sampleSeed = 7;

/** Mean squared difference of each frame of two videos in [-1, 1], as brightness in [0, 1]. */
function frameErrors(a: tf.Tensor5D, b: tf.Tensor5D): number[] {
  return tf.tidy(() => {
    const squares = tf.square(tf.div(tf.sub(tf.clipByValue(a, -1, 1), b), 2));
    return [...tf.mean(squares, [0, 2, 3, 4]).dataSync()];
  });
}

/** Samples on held-out digits, and writes them: truth, videos that go on from it, label alone. */
export async function writeSamples(
  model: LayersModel,
  data: MovingMnist,
  settings: Settings,
  files: { strip: string; animation: string },
): Promise<SampleFigures> {
  const { samples: batch, sampleFrames: frames, sampleSteps: steps, guidance, flow } = settings;
  const { windowFrames } = settings.model;
  const started = performance.now();
  const random = new Random(sampleSeed);
  const { video: truth, context } = drawClips(data.heldOut, { batch, frames }, settings, random);
  const negativeContext = noContext(batch, settings.digits);
  const given = tf.slice(truth, 0, [batch, windowFrames, -1, -1, -1] as never) as tf.Tensor5D;
  const timestepShift = flow.timestepShift;
  const common = { frames, context, steps, timestepShift, seed: sampleSeed };
  const progress = new SamplingProgress();
  try {
    const continued = await sampleVideo(model, settings.model, {
      ...common,
      given,
      onProgress: progress.show('continuing'),
    });
    const labelled = await sampleVideo(model, settings.model, {
      ...common,
      negativeContext,
      guidance,
      onProgress: progress.show('from labels'),
    });
    await writeStrip(files.strip, [truth, continued, labelled]);
    await writeAnimation(files.animation, [truth, continued, labelled]);
    const standstill = tf.tidy(() => {
      const last = tf.slice(given, [0, windowFrames - 1, 0, 0, 0]);
      return tf.tile(last, [1, frames, 1, 1, 1]) as tf.Tensor5D;
    });
    const figures = {
      continuationErrors: frameErrors(continued, truth),
      standstillErrors: frameErrors(standstill, truth),
      seconds: (performance.now() - started) / 1000,
    };
    tf.dispose([continued, labelled, standstill]);
    return figures;
  } finally {
    progress.stop();
    tf.dispose([truth, context, negativeContext, given]);
  }
}

/** A bar for each kind of sample on a terminal, a line elsewhere. */
class SamplingProgress {
  private bar: SingleBar | undefined;

  show(what: string): (done: number, total: number) => void {
    this.stop();
    if (!process.stdout.isTTY) {
      return (done, total) => {
        if (done === total) console.log(`sampled, ${what}: ${total} steps`);
      };
    }
    const format = `{bar} {percentage}% | sampling, ${what} | step {value}/{total}`;
    const bar = new SingleBar({ format, barsize: 24, hideCursor: true }, Presets.shades_classic);
    this.bar = bar;
    return (done, total) => {
      if (!bar.isActive) bar.start(total, 0);
      bar.update(done);
    };
  }

  stop(): void {
    this.bar?.stop();
  }
}
