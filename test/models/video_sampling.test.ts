import '../../src/kernels/register';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { Random } from '../../src/data/random';
import { VideoCache } from '../../src/layers/video_cache';
import { namedParameters } from '../../src/models/named_parameters';
import { videoDiffusion } from '../../src/models/video_diffusion';
import type { VideoDiffusionConfig } from '../../src/models/video_diffusion_config';
import {
  readWindow,
  sampleVideo,
  type VideoSamplingOptions,
  writeWindow,
} from '../../src/models/video_sampling';
import { randomNormal } from '../../src/ops/random';
import { flowMatchingBatch } from '../../src/training/flow_matching';
import { expectError, useNativeBackend } from '../support/operations';
import { smallVideoConfig } from '../support/video_config';

beforeAll(useNativeBackend);

const config: Partial<VideoDiffusionConfig> = { ...smallVideoConfig, useMuon: true };

/** A model none of whose branches is zero, as a new one's scale and head are. */
function randomised(settings: Partial<VideoDiffusionConfig>): LayersModel {
  const model = videoDiffusion(settings, { seed: 2 });
  let seed = 7;
  for (const parameter of namedParameters(model).values()) {
    tf.tidy(() => {
      const noise = tf.randomNormal(parameter.shape as number[], 0, 0.1, 'float32', seed++);
      parameter.write(tf.add(parameter.read(), noise));
    });
  }
  return model;
}

function difference(a: tf.Tensor, b: tf.Tensor): number {
  return tf.tidy(() => tf.div(tf.norm(tf.sub(a, b)), tf.norm(b)).dataSync()[0]);
}

test.each<[string, Partial<VideoDiffusionConfig>]>([
  ['one noisy window', {}],
  ['two noisy windows', { numRepeat: 2 }],
  ['a short memory of keys', { kvCacheSize: 3 }],
  ['no context, plain steps', { textDim: 0, useMuon: false }],
  ['silu, no unit length, no scale', { qkvSilu: true, qkL2norm: false, learnableTttScale: false }],
  ['patches of two frames', { patchSize: [2, 2, 3] }],
])('with caches each window has the velocity of teacher forcing: %s', (_name, options) => {
  const settings = { ...config, ...options };
  const { numRepeat = 1, textDim = 0 } = settings;
  const model = randomised(settings);
  tf.tidy(() => {
    const video = tf.randomNormal([2, 6, 4, 6, 2], 0, 1, 'float32', 3) as tf.Tensor5D;
    const batch = flowMatchingBatch(video, { windowFrames: 2, numRepeat }, new Random(4));
    const context =
      textDim > 0 ? (tf.randomNormal([2, 3, 5], 0, 1, 'float32', 5) as tf.Tensor3D) : undefined;
    const inputs = [batch.windows, batch.times, ...(context ? [context] : [])];
    const forced = tf.unstack(model.apply(inputs) as tf.Tensor, 1);
    const windows = tf.unstack(batch.windows, 1) as tf.Tensor5D[];
    const times = tf.unstack(batch.times, 1).map((time) => time.dataSync());
    const cache = new VideoCache();
    windows.forEach((window, index) => {
      if (index % (numRepeat + 1) === numRepeat) {
        writeWindow(model, cache, window, context);
        return;
      }
      // Each element of the batch has a time of its own, which a call does not.
      for (let element = 0; element < 2; element++) {
        const read = readWindow(model, cache, window, times[index][element], context);
        const pick = (x: tf.Tensor) => tf.gather(x, element);
        expect(difference(pick(read), pick(forced[index]))).toBeLessThan(2e-5);
      }
    });
    expect(cache.windows).toBe(2);
    cache.dispose();
  });
  model.dispose();
});

test('a window that was written matters to the one after it', () => {
  const model = randomised({ ...config, textDim: 0 });
  tf.tidy(() => {
    const [a, b, noisy] = [1, 2, 3].map(
      (seed) => tf.randomNormal([1, 2, 4, 6, 2], 0, 1, 'float32', seed) as tf.Tensor5D,
    );
    const after = (...written: tf.Tensor5D[]) => {
      const cache = new VideoCache();
      for (const window of written) writeWindow(model, cache, window);
      const read = readWindow(model, cache, noisy, 700);
      cache.dispose();
      return read;
    };
    // The keys of b alone are seen in both: what differs is what the fast weights hold of a.
    expect(difference(after(a, b), after(b, b))).toBeGreaterThan(1e-3);
  });
  model.dispose();
});

test('a window that is refused leaves the cache as it was', () => {
  const model = randomised({ ...config, textDim: 0 });
  tf.tidy(() => {
    const cache = new VideoCache();
    const window = tf.randomNormal([1, 2, 4, 6, 2], 0, 1, 'float32', 1) as tf.Tensor5D;
    writeWindow(model, cache, window);
    const before = readWindow(model, cache, window, 500);
    const { numTensors } = tf.memory();
    const wrong = tf.zeros([1, 2, 4, 4, 2]) as tf.Tensor5D;
    expectError(
      () => writeWindow(model, cache, wrong),
      'ERR_SHAPE',
      /^Expected shape \[batch, 2, 4, 6, 2\] for window but got shape \[1,2,4,4,2\]/,
    );
    // Two rows where one was written: the first layer's fast weights refuse them.
    const two = tf.tile(window, [2, 1, 1, 1, 1]);
    expect(() => writeWindow(model, cache, two)).toThrow();
    tf.dispose([wrong, two]);
    expect([cache.windows, cache.writing, tf.memory().numTensors]).toEqual([1, false, numTensors]);
    expect(difference(readWindow(model, cache, window, 500), before)).toBe(0);
    expectError(
      () => readWindow(model, cache, window, 500, tf.zeros([1, 3, 5]) as tf.Tensor3D),
      'ERR_ARGUMENT',
      /^Expected none, as the model has no context, for context but got embeddings/,
    );
    cache.dispose();
  });
  model.dispose();
});

describe('sampleVideo', () => {
  let model: LayersModel;
  beforeAll(() => {
    model = randomised(config);
  });
  afterAll(() => {
    model.dispose();
  });

  const context = () => tf.randomNormal([2, 3, 5], 0, 1, 'float32', 5) as tf.Tensor3D;
  const given = () => tf.randomNormal([2, 2, 4, 6, 2], 0, 1, 'float32', 6) as tf.Tensor5D;

  test('goes on from the frames given, tells its progress, and repeats for a seed', async () => {
    const [text, start] = [context(), given()];
    const seen: [number, number][] = [];
    const options = { frames: 6, given: start, context: text, steps: 3, seed: 5 };
    const onProgress = (done: number, total: number) => seen.push([done, total]);
    const first = await sampleVideo(model, config, { ...options, onProgress });
    expect(first.shape).toEqual([2, 6, 4, 6, 2]);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6].map((done) => [done, 6]));
    const again = await sampleVideo(model, config, options);
    const other = await sampleVideo(model, config, { ...options, seed: 6 });
    tf.tidy(() => {
      expect(difference(tf.slice(first, 0, [-1, 2, -1, -1, -1]), start)).toBeCloseTo(0, 10);
      expect(difference(again, first)).toBe(0);
      expect(difference(other, first)).toBeGreaterThan(0.1);
    });
    tf.dispose([text, start, first, again, other]);
  });

  test('one Euler step is noise less its velocity', async () => {
    const text = context();
    const options = { frames: 2, context: text, steps: 1, seed: 9 };
    const sampled = await sampleVideo(model, config, options);
    tf.tidy(() => {
      const noise = randomNormal(sampled.shape, 0, 1, 9) as tf.Tensor5D;
      const cache = new VideoCache();
      const velocity = readWindow(model, cache, noise, 1000, text);
      expect(difference(sampled, tf.sub(noise, velocity))).toBeLessThan(1e-6);
    });
    tf.dispose([text, sampled]);
  });

  test('steps end at the times of the shift', async () => {
    // A velocity that does not depend on x is integrated exactly, whatever the steps.
    const still = videoDiffusion(config);
    const head = namedParameters(still).get('head.head.bias');
    const bias = tf.range(0, 8);
    head?.write(bias);
    const text = context();
    const sample = (steps: number, timestepShift: number) =>
      sampleVideo(still, config, { frames: 2, context: text, steps, timestepShift });
    const [one, many] = [await sample(1, 1), await sample(7, 3)];
    expect(difference(many, one)).toBeLessThan(1e-6);
    tf.dispose([bias, text, one, many]);
    still.dispose();
  });

  test('guidance of 1 is none, and a greater one goes further from the negative context', async () => {
    const [text, negative] = [context(), tf.zeros([2, 3, 5]) as tf.Tensor3D];
    const options = { frames: 4, context: text, steps: 2 };
    const plain = await sampleVideo(model, config, options);
    const guided = (guidance: number) =>
      sampleVideo(model, config, { ...options, negativeContext: negative, guidance });
    const [one, three, zero] = [await guided(1), await guided(3), await guided(0)];
    const alone = await sampleVideo(model, config, { ...options, context: negative });
    expect(difference(one, plain)).toBeLessThan(2e-5);
    expect(difference(zero, alone)).toBeLessThan(2e-5);
    expect(difference(three, plain)).toBeGreaterThan(1e-3);
    tf.dispose([text, negative, plain, one, three, zero, alone]);
  });

  test('leaves no tensor behind', async () => {
    const text = context();
    const options = { frames: 4, context: text, steps: 2 };
    const before = tf.memory().numTensors;
    (await sampleVideo(model, config, options)).dispose();
    (await sampleVideo(model, config, { ...options, negativeContext: text })).dispose();
    expect(tf.memory().numTensors).toBe(before);
    text.dispose();
  });

  test.each<[string, () => Partial<VideoSamplingOptions>, string, RegExp]>([
    ['frames', () => ({ frames: 5 }), 'ERR_SHAPE', /^Expected a multiple of 2 frames for frames/],
    ['steps', () => ({ steps: 0 }), 'ERR_RANGE', /whole number of at least 1 for steps but got 0/],
    ['guidance', () => ({ guidance: Number.NaN }), 'ERR_RANGE', /finite number for guidance/],
    ['a missing context', () => ({ context: undefined }), 'ERR_ARGUMENT', /context but got none/],
    ['a batch', () => ({ batch: 3 }), 'ERR_SHAPE', /^Expected shape \[3, tokens, 5\] for context/],
    [
      'another negative context',
      () => ({ negativeContext: tf.zeros([2, 4, 5]) }),
      'ERR_SHAPE',
      /^Expected shape \[2, 3, 5\] for negativeContext but got shape \[2,4,5\]/,
    ],
    [
      'too many frames given',
      () => ({ given: tf.zeros([2, 6, 4, 6, 2]) }),
      'ERR_RANGE',
      /^Expected at most 4 frames for given but got 6/,
    ],
    [
      'frames given of another size',
      () => ({ given: tf.zeros([2, 2, 4, 4, 2]) }),
      'ERR_SHAPE',
      /^Expected shape \[2, frames, 4, 6, 2\] for given/,
    ],
  ])('refuses %s', async (_name, change, code, message) => {
    const text = context();
    const options = { frames: 4, context: text, ...change() };
    const before = tf.memory().numTensors;
    const refusal = sampleVideo(model, config, options);
    await expect(refusal).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([text, options.given, options.negativeContext].filter((x) => x !== undefined));
  });
});
