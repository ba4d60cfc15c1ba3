import '../../src/kernels/register';
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { Random } from '../../src/data/random';
import { namedParameters, namedVariables } from '../../src/models/named_parameters';
import { videoDiffusion } from '../../src/models/video_diffusion';
import {
  resolveVideoDiffusionConfig,
  type VideoDiffusionConfig,
} from '../../src/models/video_diffusion_config';
import { velocityErrors, videoDiffusionLoss } from '../../src/models/video_loss';
import { flowMatchingBatch } from '../../src/training/flow_matching';
import { expectError, useNativeBackend } from '../support/operations';
import { smallVideoConfig as config } from '../support/video_config';

beforeAll(useNativeBackend);

const batchOf = (numRepeat = 1) =>
  tf.tidy(() => {
    const video = tf.randomNormal([2, 4, 4, 6, 2], 0, 1, 'float32', 3) as tf.Tensor5D;
    const batch = flowMatchingBatch(video, { windowFrames: 2, numRepeat }, new Random(4));
    return { ...batch, context: tf.randomNormal([2, 3, 5], 0, 1, 'float32', 5) as tf.Tensor3D };
  });

/** Every parameter moved off its start, where scales and the head are zero. */
function moved(model: LayersModel, size: number, firstSeed: number): void {
  let seed = firstSeed;
  for (const parameter of namedParameters(model).values()) {
    tf.tidy(() => {
      const noise = tf.randomNormal(parameter.shape as number[], 0, size, 'float32', seed++);
      parameter.write(tf.add(parameter.read(), noise));
    });
  }
}

test('has the published parameters', () => {
  const model = videoDiffusion({ ...config, numLayers: 1 });
  const projection = (name: string) => [`${name}.weight 24,24`, `${name}.bias 24`];
  const pair = (name: string, inputs: number, hidden: number, outputs: number) => [
    `${name}.0.weight ${hidden},${inputs}`,
    `${name}.0.bias ${hidden}`,
    `${name}.2.weight ${outputs},${hidden}`,
    `${name}.2.bias ${outputs}`,
  ];
  const attention = (name: string) => [
    ...['q', 'k', 'v', 'o'].flatMap((part) => projection(`${name}.${part}`)),
    `${name}.norm_q.weight 24`,
    `${name}.norm_k.weight 24`,
  ];
  const wanted = [
    ...['patch_embedding.weight 24,2,1,2,2', 'patch_embedding.bias 24'],
    ...pair('time_embedding', 16, 24, 24),
    ...['time_projection.1.weight 144,24', 'time_projection.1.bias 144'],
    ...pair('text_embedding', 5, 24, 24),
    'blocks.0.modulation 1,6,24',
    ...attention('blocks.0.self_attn'),
    ...['lr_proj.weight 6,24', 'lr_proj.bias 6', 'output_norm.weight 12'].map(
      (name) => `blocks.0.self_attn.${name}`,
    ),
    ...['w0 2,24,12', 'w1 2,12,24', 'w2 2,24,12', 'qk_scale 24,2', 'qk_offset 24,2'].map(
      (name) => `blocks.0.self_attn.${name}`,
    ),
    ...['ttt_scale_proj.weight 1,24', 'ttt_scale_proj.bias 1'].map(
      (name) => `blocks.0.self_attn.${name}`,
    ),
    ...['blocks.0.norm3.weight 24', 'blocks.0.norm3.bias 24'],
    ...attention('blocks.0.cross_attn'),
    ...pair('blocks.0.ffn', 24, 40, 24),
    ...['head.modulation 1,2,24', 'head.head.weight 8,24', 'head.head.bias 8'],
  ];
  const names = [...namedParameters(model)].map(([name, { shape }]) => `${name} ${shape}`);
  expect(names.sort()).toEqual(wanted.sort());
  expect(model.outputs[0].shape).toEqual([null, null, 2, 4, 6, 2]);
  model.dispose();
});

test('a new model predicts zero, and the mean loss is that of its target', () => {
  const model = videoDiffusion(config);
  tf.tidy(() => {
    const batch = batchOf();
    const errors = velocityErrors(model, batch).dataSync();
    const target = tf.mean(tf.square(batch.velocity), [2, 3, 4, 5]).dataSync<'float32'>();
    errors.forEach((error, at) => {
      expect(error).toBeCloseTo(target[at], 5);
    });
    const weights = batch.weights.dataSync();
    const loss = target.reduce((sum, error, at) => sum + error * weights[at], 0);
    expect(videoDiffusionLoss(model, batch).dataSync()[0]).toBeCloseTo(loss, 4);
  });
  model.dispose();
});

test.each<[string, Partial<VideoDiffusionConfig>]>([
  ['plain', {}],
  ['Muon, repeated', { useMuon: true, numRepeat: 2 }],
])('the gradient of the loss in every parameter, %s', (_name, options) => {
  const model = videoDiffusion({ ...config, ...options }, { seed: 1 });
  moved(model, 0.1, 50);
  tf.tidy(() => {
    const batch = batchOf(options.numRepeat);
    const variables = namedVariables(model);
    const loss = () => videoDiffusionLoss(model, batch);
    const { grads } = tf.variableGrads(loss, [...variables.values()]);
    // Along a random direction, a layer's parameters at a time.
    const groups = new Map<string, [string, tf.Variable][]>();
    for (const [name, variable] of variables) {
      const layer = name.split('.').slice(0, 3).join('.');
      groups.set(layer, [...(groups.get(layer) ?? []), [name, variable]]);
    }
    for (const group of groups.values()) {
      const starts = group.map(([, variable]) => variable.clone());
      const directions = group.map(([, { shape }], at) =>
        tf.randomNormal(shape, 0, 1, 'float32', 200 + at),
      );
      const analytic = group
        .map(([, { name }], at) => tf.sum(tf.mul(grads[name], directions[at])).dataSync()[0])
        .reduce((sum, term) => sum + term, 0);
      const size = Math.sqrt(
        group
          .map(([, { name }]) => tf.sum(tf.square(grads[name])).dataSync()[0])
          .reduce((sum, term) => sum + term, 0),
      );
      const at = (distance: number) => {
        group.forEach(([, variable], index) => {
          variable.assign(tf.add(starts[index], tf.mul(directions[index], distance)));
        });
        return loss().dataSync()[0];
      };
      const step = 4e-3;
      const numeric = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
      at(0);
      const name = group[0][0];
      expect(size).toBeGreaterThan(0);
      expect([name, Math.abs(numeric - analytic) / size < 4e-2]).toEqual([name, true]);
    }
  });
  model.dispose();
});

test('save and loadLayersModel give the same model', async () => {
  const model = videoDiffusion(config);
  moved(model, 0.1, 50);
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
  const modelTopology = JSON.parse(JSON.stringify(saved?.modelTopology));
  const loaded = await loadLayersModel(
    tf.io.fromMemory({ ...saved, modelTopology } as tf.io.ModelArtifacts),
  );
  expect([...namedParameters(loaded).keys()]).toEqual([...namedParameters(model).keys()]);
  tf.tidy(() => {
    const { windows, times, context } = batchOf();
    const run = (from: LayersModel) =>
      (from.apply([windows, times, context]) as tf.Tensor).dataSync();
    expect(run(loaded)).toEqual(run(model));
  });
  for (const each of [model, loaded]) each.dispose();
});

test('steps leave no tensor behind', () => {
  const model = videoDiffusion(config);
  const variables = [...namedVariables(model).values()];
  const step = () =>
    tf.tidy(() => {
      tf.variableGrads(() => videoDiffusionLoss(model, batchOf()), variables);
    });
  step();
  const before = tf.memory();
  for (let i = 0; i < 3; i++) step();
  const { numTensors, numBytes } = tf.memory();
  expect([numTensors, numBytes]).toEqual([before.numTensors, before.numBytes]);
  model.dispose();
});

test('windows in another number than the interleaved order has are refused', () => {
  const model = videoDiffusion({ ...config, textDim: 0 });
  tf.tidy(() =>
    expectError(
      () => model.apply([tf.zeros([1, 2, 2, 4, 6, 2]), tf.zeros([1, 2])]),
      'ERR_SHAPE',
      /^Expected a multiple of 2 windows less 1 for x but got 2/,
    ),
  );
  model.dispose();
});

test.each<[Partial<VideoDiffusionConfig>, RegExp]>([
  [{ dimension: 3 } as never, /^Expected settings of the video diffusion model for config/],
  [{ numLayers: 0 }, /^Expected an integer of at least 1 for numLayers but got 0/],
  [{ height: 5 }, /^Expected a multiple of the patch's 2 for height but got 5/],
  [{ fwHeadDim: 7 }, /^Expected a divisor of dim 24 for fwHeadDim but got 7/],
  [{ numHeads: 8 }, /^Expected a number of heads with an even head width for numHeads but got 8/],
  [{ kvCacheSize: 13 }, /^Expected -1 or a number from 1 to a window's 12 tokens for kvCacheSize/],
  [{ freqDim: 3 }, /^Expected an even number for freqDim but got 3/],
  [{ patchSize: [1, 2] as never }, /^Expected frames, rows and columns of a patch for patchSize/],
])('refuses %j', (change, message) => {
  expectError(() => videoDiffusion({ ...config, ...change }), 'ERR_ARGUMENT', message);
});

test('settings that are left out are those of the published 1.3B model', () => {
  const { dim, numLayers, ffnDim, fwHeadDim } = resolveVideoDiffusionConfig({});
  expect([dim, numLayers, ffnDim, fwHeadDim]).toEqual([1536, 30, 8960, 768]);
});
