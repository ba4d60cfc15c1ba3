import * as tf from '@tensorflow/tfjs-core';

import type { VideoAttentionConfig } from '../layers/video_attention_config';
import type { FastWeights } from '../ops/fast_weight_state';
import type { ProgramStep } from '../ops/programs';
import { silu, stepSizes } from './activations';
import { attention } from './attention';
import { fastWeightScan } from './fast_weight_scan';
import { fromRows, joinHeads, splitHeads, toRows } from './heads';
import { l2Norm, rmsNorm } from './norms';
import { linear, type Parameters, parameter, within } from './parameters';
import { videoRotaryEmbedding } from './rotary_axes';

/** Step size that a zero projection gives. */
const baseStepSize = 0.001;

/** Window `index` of the interleaved order: which window of the video it is, and whether clean. */
interface Window {
  time: number;
  clean: boolean;
}

/** The windows in order: the noisy ones of a time, then its clean one; the last is left out. */
function windowOrder(count: number, numRepeat: number): Window[] {
  return Array.from({ length: count }, (_, index) => ({
    time: Math.floor(index / (numRepeat + 1)),
    clean: index % (numRepeat + 1) === numRepeat,
  }));
}

/** Frame, row and column of every token. */
function placesOf(order: Window[], config: VideoAttentionConfig): number[][] {
  const places: number[][] = [];
  for (const { time } of order) {
    for (let frame = 0; frame < config.windowFrames; frame++) {
      for (let row = 0; row < config.gridHeight; row++) {
        for (let column = 0; column < config.gridWidth; column++) {
          places.push([time * config.windowFrames + frame, row, column]);
        }
      }
    }
  }
  return places;
}

/** Each window sees itself; a noisy one also the end of the clean window before it. */
function windowAttention(
  [q, k, v]: tf.Tensor4D[],
  order: Window[],
  config: VideoAttentionConfig,
): tf.Tensor4D {
  const tokens = q.shape[1] / order.length;
  const seen = config.kvCacheSize === -1 ? tokens : config.kvCacheSize;
  const piece = (x: tf.Tensor4D, index: number, last = tokens) =>
    tf.slice(x, [0, (index + 1) * tokens - last, 0, 0], [-1, last, -1, -1]);
  const outputs = order.map(({ time, clean }, index) => {
    const before = order.findIndex((other) => other.clean && other.time === time - 1);
    const both = (x: tf.Tensor4D) =>
      clean || before < 0
        ? piece(x, index)
        : (tf.concat([piece(x, before, seen), piece(x, index)], 1) as tf.Tensor4D);
    return attention(piece(q, index), both(k), both(v));
  });
  return tf.concat(outputs, 1) as tf.Tensor4D;
}

/** The noisy windows of the first time are read; then each clean one is written and read. */
function interleavedProgram(order: Window[], tokens: number): ProgramStep[] {
  return order.flatMap(({ clean }, index): ProgramStep[] => {
    const range = { start: index * tokens, end: (index + 1) * tokens };
    const read: ProgramStep = { kind: 'apply', ...range };
    return clean ? [{ kind: 'update', ...range }, read] : [read];
  });
}

/** The q (column 0) or k (column 1) of the fast weights, [batch * heads, tokens, fwHeadDim]. */
function fastQueryOrKey(
  params: Parameters,
  x: tf.Tensor3D,
  column: number,
  places: number[][],
  config: VideoAttentionConfig,
): tf.Tensor3D {
  const channel = (name: string) =>
    tf.squeeze(tf.slice(parameter<tf.Tensor2D>(params, name), [0, column], [-1, 1]), [1]);
  const scaled = tf.add(tf.mul(x, channel('qk_scale')), channel('qk_offset')) as tf.Tensor3D;
  const turned = videoRotaryEmbedding(splitHeads(scaled, config.numHeads), places);
  let rows = toRows(joinHeads(turned), config.dim / config.fwHeadDim);
  if (config.qkL2norm) rows = l2Norm(rows);
  return config.qkvSilu ? silu(rows) : rows;
}

/** The normed output of the fast weights, [batch, tokens, dim]. */
function readFastWeights(
  params: Parameters,
  x: tf.Tensor3D,
  [q, k, v]: tf.Tensor3D[],
  order: Window[],
  config: VideoAttentionConfig,
): tf.Tensor3D {
  const heads = config.dim / config.fwHeadDim;
  const [batch, tokens] = x.shape;
  const places = placesOf(order, config);
  const inputs = {
    q: fastQueryOrKey(params, q, 0, places, config),
    k: fastQueryOrKey(params, k, 1, places, config),
    v: toRows(config.qkvSilu ? silu(v) : v, heads),
    rates: toRows(stepSizes(linear(params, 'lr_proj', x, true), baseStepSize), heads),
  };
  const rows = (name: string): tf.Tensor3D =>
    tf.tile(parameter<tf.Tensor3D>(params, name), [batch, 1, 1]);
  const weights: FastWeights = { w0: rows('w0'), w1: rows('w1'), w2: rows('w2') };
  const program = interleavedProgram(order, tokens / order.length);
  const { output } = fastWeightScan(inputs, weights, program, {
    optimizer: config.useMuon ? 'muon' : 'gd',
    newtonSchulz: config.newtonSchulz,
  });
  return fromRows(rmsNorm(output, parameter(params, 'output_norm.weight'), config.eps), heads);
}

/**
 * The LaCT layer of autoregressive video diffusion (arXiv 2505.23884, section 4.3; published as
 * `ARFastWeightSwiGLU`): window attention and fast weights on the same q, k and v, added before the
 * output projection.
 *
 * @param params the layer's parameters by their published names
 * @param x [batch, windows, tokens of a window, dim]: for each window of the video its `numRepeat`
 *   noisy versions, then the clean one; the last clean one is left out
 * @returns shaped as x
 */
export function videoLayer(
  params: Record<string, tf.Tensor>,
  x: tf.Tensor4D,
  config: VideoAttentionConfig,
): tf.Tensor4D {
  const all = within(params, '');
  const [batch, windows, windowTokens, dim] = x.shape;
  const order = windowOrder(windows, config.numRepeat);
  const places = placesOf(order, config);
  return tf.tidy(() => {
    const flat: tf.Tensor3D = tf.reshape(x, [batch, windows * windowTokens, dim]);
    const project = (name: string) => linear(all, name, flat, true);
    const q = rmsNorm(project('q'), parameter(all, 'norm_q.weight'), config.eps);
    const k = rmsNorm(project('k'), parameter(all, 'norm_k.weight'), config.eps);
    const v = project('v');
    const turned = (y: tf.Tensor3D) => videoRotaryEmbedding(splitHeads(y, config.numHeads), places);
    const attended = windowAttention(
      [turned(q), turned(k), splitHeads(v, config.numHeads)],
      order,
      config,
    );
    let read = readFastWeights(all, flat, [q, k, v], order, config);
    if (config.learnableTttScale) read = tf.mul(read, silu(project('ttt_scale_proj')));
    const y = linear(all, 'o', tf.add(joinHeads(attended), read), true);
    return tf.reshape(y, [batch, windows, windowTokens, dim]);
  });
}

/** What golden cases compare of the layer. */
export interface VideoLayerEvaluation {
  /** Shaped as x. */
  y: tf.Tensor4D;
  /** Gradients of sum(y * cotangent): of every parameter by name, and of 'x'. */
  gradients: Record<string, tf.Tensor>;
}

/**
 * The layer's output and the gradients of its sum weighted by `cotangent`.
 *
 * @param x, cotangent [batch, windows, tokens of a window, dim]
 * @returns new tensors, the caller's to dispose
 */
export function evaluateVideoLayer(
  params: Record<string, tf.Tensor>,
  x: tf.Tensor4D,
  cotangent: tf.Tensor4D,
  config: VideoAttentionConfig,
): VideoLayerEvaluation {
  const names = [...Object.keys(params), 'x'];
  return tf.tidy(() => {
    const y = videoLayer(params, x, config);
    const weighted = (...values: tf.Tensor[]) => {
      const given = Object.fromEntries(names.map((name, at) => [name, values[at]]));
      const { x: input, ...rest } = given;
      return tf.sum(tf.mul(videoLayer(rest, input as tf.Tensor4D, config), cotangent));
    };
    const grads = tf.grads(weighted)([...Object.values(params), x]);
    const gradients = Object.fromEntries(names.map((name, at) => [name, grads[at]]));
    return { y, gradients } as VideoLayerEvaluation & tf.TensorContainerObject;
  });
}
