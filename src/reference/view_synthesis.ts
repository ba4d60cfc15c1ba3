import * as tf from '@tensorflow/tfjs-core';

import type { PosedImages } from '../models/posed_patches';
import type { ResolvedModule, ResolvedViewSynthesisConfig } from '../models/view_synthesis_config';
import type { Cameras } from '../ops/camera_rays';
import type { FastWeights } from '../ops/fast_weight_state';
import type { Program } from '../ops/programs';
import { gelu, silu, stepSizes } from './activations';
import { attention } from './attention';
import { fastWeightScan } from './fast_weight_scan';
import { fromRows, joinHeads, splitHeads, toRows } from './heads';
import { l2Norm, layerNorm, rmsNorm } from './norms';
import { linear, type Parameters, parameter, within } from './parameters';
import { imagesOf, posedTokens } from './posed_patches';

type Named = Record<string, tf.Tensor>;
type Module<Type extends ResolvedModule['type']> = Extract<ResolvedModule, { type: Type }>;

/** How tokens go through the model: who is written, and which weights are there already. */
interface Pass {
  tokensPerImage: number;
  program: Program;
  /** Fast weights to start from, by depth, instead of the parameters. */
  states?: readonly FastWeights[];
}

/** Epsilons as published: of the attention's q and k norms, and of the fast weights' output norm. */
const machineEpsilon = 2 ** -23;
const outputEpsilon = 1e-5;

function selfAttention(
  params: Parameters,
  x: tf.Tensor3D,
  { params: { headDim, useQkNorm } }: Module<'model.SelfAttention'>,
  { tokensPerImage }: Pass,
): tf.Tensor3D {
  const [batch, tokens, width] = x.shape;
  const images = tf.reshape(x, [(batch * tokens) / tokensPerImage, tokensPerImage, width]);
  const qkv = linear(params, 'to_qkv', images as tf.Tensor3D);
  const [q, k, v] = tf
    .split<tf.Tensor3D>(qkv, 3, 2)
    .map((part) => splitHeads(part, width / headDim));
  const normed = (part: tf.Tensor4D, name: string) =>
    useQkNorm ? rmsNorm(part, parameter(params, `${name}.weight`), machineEpsilon) : part;
  const attended = attention(normed(q, 'q_norm'), normed(k, 'k_norm'), v);
  return tf.reshape(linear(params, 'c_proj', joinHeads(attended)), x.shape);
}

/** [batch, tokens, 3 * heads], w0's first -> [batch * heads, tokens, 3] */
function rateRows(rates: tf.Tensor3D, heads: number): tf.Tensor3D {
  const [batch, tokens] = rates.shape;
  const split = tf.reshape(rates, [batch, tokens, 3, heads]);
  return tf.reshape(tf.transpose(split, [0, 3, 1, 2]), [batch * heads, tokens, 3]);
}

function fastWeights(
  params: Parameters,
  x: tf.Tensor3D,
  { params: settings }: Module<'lact_ttt.FastWeightGluMLPMultihead'>,
  { program }: Pass,
  given: FastWeights | undefined,
): { output: tf.Tensor3D; weights: FastWeights } {
  const [batch, , width] = x.shape;
  const heads = width / settings.headDim;
  const [q, k, v] = tf
    .split<tf.Tensor3D>(silu(linear(params, 'to_qkv', x)), 3, 2)
    .map((part) => toRows(part, heads));
  // Published as [in, out]; the scan takes [out, in].
  const rows = (name: string): tf.Tensor3D =>
    tf.tile(tf.transpose(parameter<tf.Tensor3D>(params, name), [0, 2, 1]), [batch, 1, 1]);
  const rates = rateRows(stepSizes(linear(params, 'lr_fc', x, true), settings.baseLr), heads);
  const { output, state } = fastWeightScan(
    { q: l2Norm(q), k: l2Norm(k), v, rates },
    given ?? { w0: rows('w0'), w1: rows('w1'), w2: rows('w2') },
    program,
    {
      optimizer: 'muon',
      newtonSchulz: `keller${settings.muonUpdateSteps}`,
      detachNorm: true,
    },
  );
  const normed = rmsNorm(output, parameter(params, 'o_norm.weight'), outputEpsilon);
  return {
    output: linear(params, 'c_proj', fromRows(normed, heads)),
    weights: state.weights,
  };
}

/** All layers on tokens [batch, tokens, patchSize^2 * 12]. */
function transform(
  params: Named,
  tokens: tf.Tensor3D,
  config: ResolvedViewSynthesisConfig,
  pass: Pass,
): { tokens: tf.Tensor3D; states: FastWeights[] } {
  const all = within(params, '');
  const states: FastWeights[] = [];
  const embedded = linear(all, 'input_linear', tokens);
  let x = layerNorm(embedded, parameter(all, 'input_layernorm.weight'));
  for (let block = 0; block < config.layers; block++) {
    config.blockConfig.forEach((module, at) => {
      const prefix = `blocks.${block}.module_list.${at}.`;
      const normed = layerNorm(x, parameter(within(params, prefix), 'ln.weight'));
      const layer = within(params, `${prefix}f.`);
      let y: tf.Tensor3D;
      if (module.type === 'model.SelfAttention') {
        y = selfAttention(layer, normed, module, pass);
      } else if (module.type === 'model.MLP') {
        y = linear(layer, 'c_proj', gelu(linear(layer, 'c_fc', normed)));
      } else {
        const given = pass.states?.[states.length];
        const { output, weights } = fastWeights(layer, normed, module, pass, given);
        states.push(weights);
        y = output;
      }
      x = tf.add(x, y);
    });
  }
  return { tokens: x, states };
}

function decode(params: Named, x: tf.Tensor3D): tf.Tensor3D {
  const all = within(params, '');
  const normed = layerNorm(x, parameter(all, 'image_token_decoder.0.weight'));
  return tf.sigmoid(linear(all, 'image_token_decoder.1', normed));
}

function tokensPerImage(size: readonly number[], patchSize: number): number {
  return (size[0] * size[1]) / patchSize ** 2;
}

/**
 * The LaCT view-synthesis model (arXiv 2505.23884; published as `lact_nvs`): the tokens of context
 * and targets go through the layers together; fast weights are written with context and read by all.
 *
 * @param params every parameter by its published name
 * @param context images [batch, views, 3, height, width] with cameras
 * @param targets cameras of the views to render
 * @returns the rendering [batch, target views, 3, height, width], and each layer's fast weights
 */
export function viewSynthesis(
  params: Named,
  context: PosedImages,
  targets: Cameras,
  config: ResolvedViewSynthesisConfig,
): { rendering: tf.Tensor5D; states: FastWeights[] } {
  const { patchSize } = config;
  return tf.tidy(() => {
    const size = context.image.shape.slice(3);
    const written = posedTokens(context, size, patchSize);
    const read = posedTokens({ c2w: targets.c2w, fxfycxcy: targets.fxfycxcy }, size, patchSize);
    const [, count] = written.shape;
    const tokens = count + read.shape[1];
    const { tokens: x, states } = transform(params, tf.concat([written, read], 1), config, {
      tokensPerImage: tokensPerImage(size, patchSize),
      program: [
        { kind: 'update', start: 0, end: count },
        { kind: 'apply', start: 0, end: tokens },
      ],
    });
    const decoded = decode(params, tf.slice(x, [0, count, 0]));
    return { rendering: imagesOf(decoded, size, patchSize), states } as never;
  });
}

/**
 * The same views from fast weights that are written already, one at a time.
 *
 * @param size height and width in pixels
 */
export function renderViews(
  params: Named,
  states: readonly FastWeights[],
  { c2w, fxfycxcy }: Cameras,
  size: readonly [number, number],
  config: ResolvedViewSynthesisConfig,
): tf.Tensor5D {
  const { patchSize } = config;
  const [batch, views] = c2w.shape;
  const tokens = tokensPerImage(size, patchSize);
  return tf.tidy(() => {
    const images = Array.from({ length: views }, (_, view) => {
      const camera = {
        c2w: tf.slice(c2w, [0, view, 0, 0], [batch, 1, 4, 4]),
        fxfycxcy: tf.slice(fxfycxcy, [0, view, 0], [batch, 1, 4]),
      };
      const { tokens: x } = transform(params, posedTokens(camera, size, patchSize), config, {
        tokensPerImage: tokens,
        program: [{ kind: 'apply', start: 0, end: tokens }],
        states,
      });
      return imagesOf(decode(params, x), size, patchSize);
    });
    return tf.concat(images, 1);
  });
}

/** What golden cases compare of a model. */
export interface ViewSynthesisEvaluation {
  /** [batch, views, 3, height, width] */
  rendering: tf.Tensor5D;
  /** The same views, rendered one at a time from `states`. */
  rendered: tf.Tensor5D;
  /** Mean squared error of the rendering. */
  loss: tf.Scalar;
  /** The loss's gradient with respect to every parameter, by name. */
  gradients: Named;
  /** The fast weights after context was written, by depth. */
  states: FastWeights[];
}

/**
 * Rendering, loss, gradients and states of one batch.
 *
 * @param targets the images that the rendering should be, with their cameras
 * @returns new tensors, the caller's to dispose
 */
export function evaluateViewSynthesis(
  params: Named,
  context: PosedImages,
  targets: PosedImages,
  config: ResolvedViewSynthesisConfig,
): ViewSynthesisEvaluation {
  const names = Object.keys(params);
  const size = context.image.shape.slice(3) as [number, number];
  return tf.tidy(() => {
    const lossOf = (...values: tf.Tensor[]) => {
      const given = Object.fromEntries(names.map((name, at) => [name, values[at]]));
      const { rendering } = viewSynthesis(given, context, targets, config);
      return tf.mean(tf.squaredDifference(rendering, targets.image));
    };
    const { value: loss, grads } = tf.valueAndGrads(lossOf)(Object.values(params));
    const gradients = Object.fromEntries(names.map((name, at) => [name, grads[at]]));
    const { rendering, states } = viewSynthesis(params, context, targets, config);
    const rendered = renderViews(params, states, targets, size, config);
    return { rendering, rendered, loss, gradients, states } as never;
  });
}
