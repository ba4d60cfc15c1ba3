import * as tf from '@tensorflow/tfjs-core';

import type { HostTensor } from '../io/safetensors';
import type { VideoAttentionConfig } from '../layers/video_attention_config';
import { fromPublishedConfig } from '../models/language_model_config';
import type { PosedImages } from '../models/posed_patches';
import { fromPublishedViewSynthesisConfig } from '../models/view_synthesis_config';
import { expected } from '../native/errors';
import type { FastWeightScanOptions } from '../ops/fast_weight_scan';
import type { NewtonSchulzSchedule } from '../ops/newton_schulz_schedule';
import type { ProgramStep } from '../ops/programs';
import type { Implementation } from '../reference';
import { type GoldenCase, withPrefix } from './cases';
import { contract, type Tolerance } from './contract';

/** Golden results beside the computed ones, which are the caller's to dispose. */
export interface CaseResults {
  tolerance: Tolerance;
  outputs: Record<string, HostTensor>;
  gradients: Record<string, HostTensor>;
  results: { outputs: Record<string, tf.Tensor>; gradients: Record<string, tf.Tensor> };
}

/** Computes what a case of one kind holds. */
export type CaseRunner = (golden: GoldenCase, implementation: Implementation) => CaseResults;

type Tensors = Record<string, tf.Tensor>;

function toTensors(from: Record<string, HostTensor>): Tensors {
  return Object.fromEntries(
    Object.entries(from).map(([name, { data, shape, dtype }]) => [
      name,
      tf.tensor(data, shape, dtype),
    ]),
  );
}

/** Gradients of the scalar f(inputs) with respect to the inputs named in `wanted`. */
function gradientsOf(
  f: (inputs: Tensors) => tf.Tensor,
  inputs: Tensors,
  wanted: string[],
): Tensors {
  const given = wanted.map((name) => {
    if (Object.hasOwn(inputs, name)) return inputs[name];
    throw expected('ERR_CHECKPOINT', 'an input', `gradient '${name}'`, 'none');
  });
  const gradients = tf.grads((...xs: tf.Tensor[]) =>
    f({ ...inputs, ...Object.fromEntries(wanted.map((name, at) => [name, xs[at]])) }),
  )(given);
  return Object.fromEntries(wanted.map((name, at) => [name, gradients[at]]));
}

/** Sum over the cotangents' names of value x cotangent. */
function paired(values: Tensors, cotangents: Tensors): tf.Tensor {
  const terms = Object.entries(cotangents).map(([name, cotangent]) =>
    tf.sum(tf.mul(values[name], cotangent)),
  );
  return tf.addN(terms);
}

/** Runs `f` for its outputs, and again for the gradients of its outputs paired with cotangents. */
function outputsAndGradients(
  f: (inputs: Tensors) => Tensors,
  from: { inputs: Record<string, HostTensor>; cotangents: Record<string, HostTensor> },
  wanted: string[],
): CaseResults['results'] {
  return tf.tidy(() => {
    const inputs = toTensors(from.inputs);
    const cotangents = toTensors(from.cotangents);
    const outputs = f(inputs);
    const gradients = gradientsOf((xs) => paired(f(xs), cotangents), inputs, wanted);
    return { outputs, gradients };
  });
}

function programOf(golden: GoldenCase): ProgramStep[] {
  const { program } = golden.settings;
  const isStep = (step: unknown) =>
    Array.isArray(step) &&
    (step[0] === 'update' || step[0] === 'apply') &&
    Number.isSafeInteger(step[1]) &&
    Number.isSafeInteger(step[2]);
  if (!Array.isArray(program) || !program.every(isStep)) {
    const got = JSON.stringify(program);
    throw expected('ERR_CHECKPOINT', '[kind, start, end) steps', `program of ${golden.name}`, got);
  }
  return program.map(([kind, start, end]) => ({ kind, start, end }));
}

const runScan: CaseRunner = (golden, { fastWeightScan }) => {
  const { newton_schulz, weight_norm, detach_norm } = golden.settings;
  const program = programOf(golden);
  const options = {
    optimizer: newton_schulz ? 'muon' : 'gd',
    newtonSchulz: newton_schulz ?? undefined,
    weightNorm: weight_norm,
    detachNorm: detach_norm,
  } as FastWeightScanOptions;
  const scan = (x: Tensors): Tensors => {
    const rates = tf.concat([x.lr0, x.lr1, x.lr2], 2);
    const { q, k, v, momentum, w0, w1, w2 } = x as Record<string, tf.Tensor3D>;
    const inputs = { q, k, v, rates: rates as tf.Tensor3D, momentum };
    const done = fastWeightScan(inputs, { w0, w1, w2 }, program, options);
    const { weights, mainWeights: raw, momenta: m } = done.state;
    const outputs: Tensors = { output: done.output, ...weights };
    Object.assign(outputs, { raw_w0: raw.w0, raw_w1: raw.w1, raw_w2: raw.w2 });
    return m ? { ...outputs, m0: m.w0, m1: m.w1, m2: m.w2 } : outputs;
  };
  const required = ['w0', 'w1', 'w2', 'q', 'k', 'v', 'lr0', 'lr1', 'lr2'];
  const inputs = withPrefix(golden, 'in.', required);
  const cotangents = withPrefix(golden, 'cotangent.', ['output', 'w0', 'w1', 'w2']);
  const gradients = withPrefix(golden, 'grad.');
  return {
    tolerance: newton_schulz ? contract.operationWithMuon : contract.operation,
    outputs: withPrefix(golden, 'out.', ['output', 'w0', 'w1', 'w2']),
    gradients,
    results: outputsAndGradients(scan, { inputs, cotangents }, Object.keys(gradients)),
  };
};

const runNewtonSchulz: CaseRunner = (golden, { newtonSchulz }) => {
  const { newton_schulz, epsilon } = golden.settings;
  const iterate = ({ g }: Tensors): Tensors => ({
    x: newtonSchulz(g as tf.Tensor3D, newton_schulz as string, {
      epsilon: epsilon as number,
    }),
  });
  const inputs = withPrefix(golden, 'in.', ['g']);
  const cotangents = withPrefix(golden, 'cotangent.', ['x']);
  return {
    tolerance: contract.operationWithMuon,
    outputs: withPrefix(golden, 'out.', ['x']),
    gradients: withPrefix(golden, 'grad.', ['g']),
    results: outputsAndGradients(iterate, { inputs, cotangents }, ['g']),
  };
};

const runLanguageModel: CaseRunner = (golden, { evaluateLanguageModel }) => {
  const published = golden.settings.config as Record<string, unknown>;
  const params = withPrefix(golden, 'param.', ['layers.0.mlp.gate_proj.weight']);
  // The files keep the feed-forward width that their parameters have, not the rounded one.
  const intermediate_size = params['layers.0.mlp.gate_proj.weight'].shape[0];
  const config = fromPublishedConfig({ intermediate_size, ...published });
  const { input_ids, labels, logits, loss } = withPrefix(golden, '', [
    'input_ids',
    'labels',
    'logits',
    'loss',
  ]);
  const results = tf.tidy(() => {
    const [ids, targets] = Object.values(toTensors({ input_ids, labels })) as tf.Tensor2D[];
    const computed = evaluateLanguageModel(toTensors(params), ids, targets, config);
    const outputs: Tensors = {
      logits: computed.logits,
      loss: tf.reshape(computed.loss, loss.shape),
    };
    return { outputs, gradients: computed.gradients };
  });
  return {
    tolerance: config.useMuon ? contract.modelWithMuon : contract.model,
    outputs: { logits, loss },
    gradients: withPrefix(golden, 'grad.'),
    results,
  };
};

const runVideoLayer: CaseRunner = (golden, { evaluateVideoLayer }) => {
  const { settings } = golden;
  const grid = settings.grid as number[];
  const config: VideoAttentionConfig = {
    dim: settings.dim as number,
    numHeads: settings.num_heads as number,
    fwHeadDim: settings.fw_head_dim as number,
    interMulti: settings.inter_multi as number,
    windowFrames: settings.window_frames as number,
    gridHeight: grid[0],
    gridWidth: grid[1],
    numRepeat: settings.num_repeat as number,
    kvCacheSize: settings.kv_cache_size as number,
    useMuon: settings.muon as boolean,
    newtonSchulz: settings.newton_schulz as string as NewtonSchulzSchedule,
    qkvSilu: settings.qkv_silu as boolean,
    qkL2norm: settings.qk_l2_norm as boolean,
    learnableTttScale: true,
    eps: 1e-6,
  };
  const { x, y, cotangent } = withPrefix(golden, '', ['x', 'y', 'cotangent']);
  const results = tf.tidy(() => {
    const tensors = toTensors({ x, cotangent });
    // The files put the windows of all batch elements on one axis.
    const [input, weights] = [tensors.x, tensors.cotangent].map((tensor) =>
      tf.reshape(tensor, [settings.batch as number, -1, x.shape[1], x.shape[2]]),
    ) as tf.Tensor4D[];
    const params = toTensors(withPrefix(golden, 'param.'));
    const computed = evaluateVideoLayer(params, input, weights, config);
    const gradients = { ...computed.gradients, x: tf.reshape(computed.gradients.x, x.shape) };
    return { outputs: { y: tf.reshape(computed.y, y.shape) }, gradients };
  });
  return {
    tolerance: config.useMuon ? contract.modelWithMuon : contract.model,
    outputs: { y },
    gradients: withPrefix(golden, 'grad.'),
    results,
  };
};

const runViewSynthesis: CaseRunner = (golden, { evaluateViewSynthesis }) => {
  const { patch_size, dim, layers, block_config } = golden.settings;
  const config = fromPublishedViewSynthesisConfig({ patch_size, dim, layers, block_config });
  const { rendering, loss } = withPrefix(golden, '', ['rendering', 'loss']);
  const written = withPrefix(golden, 'state.');
  const results = tf.tidy(() => {
    const [context, targets] = ['input_', 'target_'].map((prefix) =>
      toTensors(withPrefix(golden, prefix, ['image', 'c2w', 'fxfycxcy'])),
    ) as unknown as PosedImages[];
    const params = toTensors(withPrefix(golden, 'param.'));
    const computed = evaluateViewSynthesis(params, context, targets, config);
    const outputs: Tensors = {
      rendering: computed.rendering,
      'rendering from states': computed.rendered,
      loss: tf.reshape(computed.loss, loss.shape),
    };
    computed.states.forEach((weights, depth) => {
      // The files hold [in, out], as published.
      for (const [name, weight] of Object.entries(weights)) {
        outputs[`state.${depth}.${name}`] = tf.transpose(weight, [0, 2, 1]);
      }
    });
    return { outputs, gradients: computed.gradients };
  });
  const states = Object.entries(written).map(([name, value]) => [`state.${name}`, value]);
  return {
    tolerance: contract.modelWithMuon,
    outputs: {
      rendering,
      'rendering from states': rendering,
      loss,
      ...Object.fromEntries(states),
    },
    gradients: withPrefix(golden, 'grad.'),
    results,
  };
};

/** How each kind of case is computed. */
export const runners: Readonly<Record<string, CaseRunner>> = {
  fast_weight_scan: runScan,
  newton_schulz: runNewtonSchulz,
  language_model: runLanguageModel,
  ar_video_layer: runVideoLayer,
  view_synthesis: runViewSynthesis,
};
