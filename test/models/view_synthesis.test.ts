import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import {
  cameraTensors,
  loadParameters,
  namedParameters,
  namedVariables,
  type PosedImages,
  proceduralScene,
  reference,
  resolveViewSynthesisConfig,
  saveParameters,
  ssim,
  turntable,
  type ViewSynthesisConfig,
  viewSynthesis,
  viewSynthesisLoss,
  viewTensors,
} from '../../src';
import { relativeError } from '../../src/verify/compare';
import { expectError, expectNoLeak, normals } from '../support/operations';

const config: Partial<ViewSynthesisConfig> = {
  patchSize: 4,
  dim: 24,
  layers: 2,
  blockConfig: [
    { type: 'model.SelfAttention', params: { headDim: 8 } },
    { type: 'lact_ttt.FastWeightGluMLPMultihead', params: { headDim: 12, interMulti: 2 } },
    { type: 'model.MLP', params: { interMulti: 2 } },
  ],
};

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
});

const scenes = [1, 2].map((seed) => proceduralScene({ seed, views: 6, height: 8, width: 12 }));
const views = (...indices: number[]): PosedImages => viewTensors(scenes, [indices, indices]);

describe.each<[string, Partial<ViewSynthesisConfig>]>([
  ['three modules a layer', config],
  ['no q/k norm', { ...config, blockConfig: withoutNorm() }],
  ['another order, two fast-weight modules a layer', { ...config, blockConfig: reordered() }],
])('%s', (_name, settings) => {
  test('rendering, loss, gradients and states are those of the reference', () => {
    tf.tidy(() => {
      const full = resolveViewSynthesisConfig(settings);
      const model = viewSynthesis(settings, { seed: 3 });
      const params = Object.fromEntries(
        [...namedParameters(model)].map(([name, parameter]) => [name, parameter.read()]),
      );
      const [context, targets] = [views(0, 1, 2), views(3, 4)];
      void tf.setBackend('cpu');
      const wanted = reference.evaluateViewSynthesis(params, context, targets, full);
      const values = (tensor: tf.Tensor) => tensor.dataSync<'float32'>();
      const wantedRendering = values(wanted.rendering);
      const wantedLoss = values(wanted.loss)[0];
      const wantedStates = wanted.states.map(({ w1 }) => values(w1));
      const wantedGradients = new Map(
        Object.entries(wanted.gradients).map(([name, gradient]) => [name, values(gradient)]),
      );
      void tf.setBackend('fastweight-cpu');
      expect(relativeError(values(model.forward(context, targets)), wantedRendering)).toBeLessThan(
        3e-6,
      );
      model.reconstruct(context).forEach(({ weights }, depth) => {
        expect(relativeError(values(weights.w1), wantedStates[depth])).toBeLessThan(2e-5);
      });
      const variables = namedVariables(model);
      expect([...variables.keys()].sort()).toEqual([...wantedGradients.keys()].sort());
      const { value, grads } = tf.variableGrads(
        () => viewSynthesisLoss(model, context, targets),
        [...variables.values()],
      );
      expect(values(value)[0]).toBeCloseTo(wantedLoss, 6);
      const norm = (array: ArrayLike<number>) => Math.hypot(...Array.from(array));
      const whole = norm([...wantedGradients.values()].map(norm));
      for (const [name, variable] of variables) {
        const wantedGradient = wantedGradients.get(name) as Float32Array;
        const difference = values(grads[variable.name]).map(
          (value, at) => value - wantedGradient[at],
        );
        // Muon takes the size out of an update, so the step sizes' biases have next to no gradient.
        const limit = 2e-3 * norm(wantedGradient) + 1e-5 * whole;
        expect([name, norm(difference) < limit]).toEqual([name, true]);
      }
      model.dispose();
    });
  });

  test('rendering from states, one view at a time, is what forward gives', () => {
    const model = viewSynthesis(settings, { seed: 1 });
    const [context, targets] = [views(0, 1), views(2, 3, 4)];
    const states = model.reconstruct(context);
    const rendered = model.render(states, targets, [8, 12]).dataSync();
    expect(relativeError(rendered, model.forward(context, targets).dataSync())).toBeLessThan(1e-6);
    for (const state of states) state.dispose();
    model.dispose();
  });
});

function withoutNorm(): ViewSynthesisConfig['blockConfig'] {
  const [, ...rest] = config.blockConfig as ViewSynthesisConfig['blockConfig'];
  return [{ type: 'model.SelfAttention', params: { headDim: 8, useQkNorm: false } }, ...rest];
}

function reordered(): ViewSynthesisConfig['blockConfig'] {
  const [attention, fast, mlp] = config.blockConfig as ViewSynthesisConfig['blockConfig'];
  return [fast, mlp, attention, fast];
}

test('the order of context views does not matter', () => {
  const model = viewSynthesis(config, { seed: 1 });
  const targets = views(4, 5);
  const [a, b] = [views(0, 1, 2), views(2, 0, 1)].map((context) =>
    model.forward(context, targets).dataSync(),
  );
  expect(relativeError(a, b)).toBeLessThan(1e-5);
  model.dispose();
});

test('targets do not change what others see', () => {
  const model = viewSynthesis(config, { seed: 1 });
  const context = views(0, 1, 2);
  const both = model.forward(context, views(3, 4));
  const alone = model.forward(context, views(3));
  const first = tf.slice(both, [0, 0, 0, 0, 0], [2, 1, 3, 8, 12]).dataSync();
  expect(relativeError(first, alone.dataSync())).toBeLessThan(1e-6);
  model.dispose();
});

test('the gradient of the loss is its slope along random directions', () => {
  const model = viewSynthesis(config, { seed: 5 });
  const [context, targets] = [views(0, 1), views(2)];
  const variables = [...namedVariables(model).values()];
  const loss = () => viewSynthesisLoss(model, context, targets);
  const { grads } = tf.variableGrads(loss, variables);
  const gradients = variables.map(({ name }) => grads[name].dataSync<'float32'>());
  const before = variables.map((variable) => variable.dataSync<'float32'>().slice());
  const size = Math.sqrt(gradients.flatMap((g) => [...g]).reduce((sum, g) => sum + g * g, 0));
  for (const seed of [1, 2]) {
    // Part gradient, part chance: a direction along which the loss surely changes.
    const directions = variables.map(({ size: count }, at) =>
      normals(count, 100 * seed + at).map((value, i) => gradients[at][i] / size + 0.02 * value),
    );
    const at = (step: number) => {
      variables.forEach((variable, index) => {
        const moved = before[index].map((value, i) => value + step * directions[index][i]);
        variable.assign(tf.tensor(moved, variable.shape));
      });
      // Each pixel's share in float64: float32's mean has too few digits for a difference.
      const rendering = model.forward(context, targets).dataSync<'float32'>();
      const wanted = targets.image.dataSync();
      return rendering.reduce((sum, y, i) => sum + (y - wanted[i]) ** 2, 0) / wanted.length;
    };
    const step = 0.005;
    const slope = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
    const along = gradients.reduce(
      (sum, g, index) => sum + g.reduce((all, value, i) => all + value * directions[index][i], 0),
      0,
    );
    expect(Math.abs(along - slope) / Math.abs(slope)).toBeLessThan(1e-2);
  }
  model.dispose();
});

test('the loss takes in structural similarity', () => {
  tf.tidy(() => {
    const model = viewSynthesis(config, { seed: 1 });
    const scene = [proceduralScene({ seed: 1, views: 2, height: 12, width: 12 })];
    const [context, targets] = [viewTensors(scene, [[0]]), viewTensors(scene, [[1]])];
    const unlike = 1 - ssim(model.forward(context, targets), targets.image).dataSync()[0];
    const [plain, both] = [0, 0.25].map(
      (ssimWeight) => viewSynthesisLoss(model, context, targets, { ssimWeight }).dataSync()[0],
    );
    expect(both - plain).toBeCloseTo(0.25 * unlike, 5);
    expectError(
      () => viewSynthesisLoss(model, context, targets, { ssimWeight: -1 }),
      'ERR_RANGE',
      /for ssimWeight but got -1/,
    );
    model.dispose();
  });
});

test('summary, save and loadLayersModel work, and the loaded model is the same', async () => {
  const model = viewSynthesis(config, { seed: 2 });
  const lines: string[] = [];
  model.summary(undefined, undefined, (line) => lines.push(line));
  expect(lines.join('\n')).toMatch(/blocks\.1\.module_list\.1\.f/);
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
  expect([...namedParameters(loaded).keys()].sort()).toEqual(
    [...namedParameters(model).keys()].sort(),
  );
  tf.tidy(() => {
    const patches = [tf.randomNormal([1, 3, 6, 192]), tf.randomNormal([1, 2, 6, 192])];
    const colours = (from: LayersModel) => (from.apply(patches) as tf.Tensor).dataSync();
    expect(colours(loaded)).toEqual(colours(model));
  });
  model.dispose();
});

test('parameters load by their published names; disposing frees them', async () => {
  const before = tf.memory().numTensors;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-'));
  const file = path.join(folder, 'views.safetensors');
  const [from, to] = [viewSynthesis(config, { seed: 1 }), viewSynthesis(config, { seed: 2 })];
  const values = (model: LayersModel) =>
    [...namedParameters(model).values()].map((parameter) => parameter.read().dataSync());
  expect(values(to)).not.toEqual(values(from));
  await saveParameters(from, file);
  loadParameters(to, file);
  expect(values(to)).toEqual(values(from));
  fs.rmSync(folder, { recursive: true });
  for (const model of [from, to]) model.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('nothing is left behind by forward, reconstruct, render and training', () => {
  const model = viewSynthesis(config, { seed: 1 });
  const [context, targets] = [views(0, 1), views(2, 3)];
  const variables = [...namedVariables(model).values()];
  const once = () => {
    model.forward(context, targets).dispose();
    const states = model.reconstruct(context);
    model.render(states, targets, [8, 12]).dispose();
    for (const state of states) state.dispose();
    const { value, grads } = tf.variableGrads(
      () => viewSynthesisLoss(model, context, targets),
      variables,
    );
    tf.dispose([value, grads]);
  };
  once();
  expectNoLeak(once);
  model.dispose();
});

test('memory of rendering does not grow with the views but for the images', () => {
  const model = viewSynthesis(config, { seed: 1 });
  const states = model.reconstruct(viewTensors(scenes.slice(0, 1), [[0, 1]]));
  const peak = (count: number) => {
    const cameras = turntable({ views: count, height: 64, width: 64 });
    const tensors = cameraTensors([cameras]);
    let most = 0;
    const backend = tf.engine();
    const runKernel = backend.runKernel.bind(backend);
    const watch = jest.spyOn(backend, 'runKernel').mockImplementation((...args) => {
      const result = runKernel(...args);
      most = Math.max(most, tf.memory().numBytes);
      return result;
    });
    const before = tf.memory().numBytes;
    const images = model.render(states, tensors, [64, 64]);
    watch.mockRestore();
    const { size } = images;
    images.dispose();
    tf.dispose([tensors.c2w, tensors.fxfycxcy]);
    // The views' images are held once by themselves and once side by side.
    return most - before - 2 * 4 * size;
  };
  const [few, many] = [peak(2), peak(12)];
  expect(many).toBeLessThan(1.1 * few);
  for (const state of states) state.dispose();
  model.dispose();
});

describe('refuses', () => {
  const model = viewSynthesis(config);
  const context = views(0, 1);
  const targets = views(2);
  const { c2w, fxfycxcy } = targets;
  test.each<[string, () => unknown, RegExp]>([
    [
      'an image that patches do not fill',
      () => model.forward({ ...context, image: tf.zeros([2, 2, 3, 8, 10]) }, targets),
      /multiples of the patch size 4 for context.image but got \[8,10\]/,
    ],
    [
      'cameras of another batch',
      () => model.forward(context, cameraTensors([turntable({ views: 1, height: 8, width: 12 })])),
      /a batch of 2, as context for targets but got 1/,
    ],
    [
      'other views than images',
      () => model.forward({ ...context, c2w, fxfycxcy }, targets),
      /for context.image but got shape/,
    ],
    [
      'intrinsics of other views',
      () => model.forward(context, { c2w, fxfycxcy: tf.zeros([2, 2, 4]) }),
      /for targets.fxfycxcy but got shape/,
    ],
    [
      'a size to render that patches do not fill',
      () => {
        const states = model.reconstruct(context);
        try {
          model.render(states, targets, [8, 6]);
        } finally {
          for (const state of states) state.dispose();
        }
      },
      /multiples of the patch size 4 for size but got \[8,6\]/,
    ],
  ])('%s', (_name, call, message) => expectError(call, 'ERR_SHAPE', message));

  test('states of another model', () =>
    expectError(
      () => model.render([], targets, [8, 12]),
      'ERR_ARGUMENT',
      /Expected 2 states for states but got 0/,
    ));
});
