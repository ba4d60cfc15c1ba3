import {
  fromPublishedViewSynthesisConfig,
  resolveViewSynthesisConfig,
  type ViewSynthesisConfig,
} from '../../src';
import { expectError } from '../support/operations';

const published = {
  patch_size: 8,
  dim: 96,
  layers: 2,
  block_config: [
    {
      type: 'model.SelfAttention',
      length_dim: 'l',
      params: { head_dim: 32, use_qk_norm: true },
    },
    {
      type: 'lact_ttt.FastWeightGluMLPMultihead',
      length_dim: 'vl',
      params: { head_dim: 48, inter_multi: 2, base_lr: 0.01, muon_update_steps: 5 },
    },
    { type: 'model.MLP', length_dim: 'vl', params: { inter_multi: 4 } },
  ],
};

test('a published config is read', () => {
  expect(fromPublishedViewSynthesisConfig(published)).toEqual({
    patchSize: 8,
    dim: 96,
    layers: 2,
    blockConfig: [
      {
        type: 'model.SelfAttention',
        lengthDim: 'l',
        params: { headDim: 32, useQkNorm: true },
      },
      {
        type: 'lact_ttt.FastWeightGluMLPMultihead',
        lengthDim: 'vl',
        params: { headDim: 48, interMulti: 2, baseLr: 0.01, muonUpdateSteps: 5 },
      },
      { type: 'model.MLP', lengthDim: 'vl', params: { interMulti: 4 } },
    ],
    initializerRange: 0.02,
  });
});

test('the defaults are the published 14-layer model', () => {
  const { patchSize, dim, layers, blockConfig } = resolveViewSynthesisConfig({});
  expect([patchSize, dim, layers]).toEqual([8, 768, 14]);
  expect(blockConfig.map(({ params }) => params)).toEqual([
    { headDim: 64, useQkNorm: true },
    { headDim: 768, interMulti: 2, baseLr: 0.01, muonUpdateSteps: 5 },
    { interMulti: 4 },
  ]);
});

test('what a module leaves out is as published', () => {
  const { blockConfig } = resolveViewSynthesisConfig({
    dim: 16,
    blockConfig: [
      { type: 'model.SelfAttention', params: { headDim: 8 } },
      { type: 'lact_ttt.FastWeightGluMLPMultihead', params: { headDim: 16 } },
      { type: 'model.MLP' },
    ],
  });
  expect(blockConfig.map(({ params }) => params)).toEqual([
    { headDim: 8, useQkNorm: true },
    { headDim: 16, interMulti: 1, baseLr: 0.01, muonUpdateSteps: 5 },
    { interMulti: 4 },
  ]);
});

const fast = (params: object, more: object = {}) =>
  ({
    dim: 16,
    blockConfig: [{ type: 'lact_ttt.FastWeightGluMLPMultihead', params, ...more }],
  }) as unknown as Partial<ViewSynthesisConfig>;

test.each<[string, () => unknown, RegExp]>([
  ['an unknown setting', () => resolveViewSynthesisConfig({ width: 3 } as never), /got 'width'/],
  ['no layers', () => resolveViewSynthesisConfig({ layers: 0 }), /at least 1 for layers but got 0/],
  ['no modules', () => resolveViewSynthesisConfig({ blockConfig: [] }), /module for blockConfig/],
  [
    'an unknown module',
    () => resolveViewSynthesisConfig({ blockConfig: [{ type: 'model.Magic' } as never] }),
    /'model\.SelfAttention' or .* for blockConfig\[0\]\.type but got 'model\.Magic'/,
  ],
  [
    'heads that do not divide the width',
    () => resolveViewSynthesisConfig(fast({ headDim: 5 })),
    /a divisor of dim for blockConfig\[0\]\.params\.headDim but got 5/,
  ],
  [
    'no Newton-Schulz steps',
    () => resolveViewSynthesisConfig(fast({ headDim: 8, muonUpdateSteps: 0 })),
    /from 1 to 99 for .*muonUpdateSteps but got 0/,
  ],
  [
    'no hidden width',
    () => resolveViewSynthesisConfig(fast({ headDim: 8, interMulti: 0.1 })),
    /hidden width of at least 1 for .*interMulti but got 0\.1/,
  ],
  [
    'fast weights by image',
    () => resolveViewSynthesisConfig(fast({ headDim: 8 }, { lengthDim: 'l' })),
    /'vl' for blockConfig\[0\]\.lengthDim but got 'l'/,
  ],
  [
    'a setting that the module does not have',
    () => resolveViewSynthesisConfig(fast({ headDim: 8, window: 3 })),
    /for blockConfig\[0\]\.params but got 'window'/,
  ],
  ['no object', () => fromPublishedViewSynthesisConfig([] as never), /an object for/],
  [
    'a published config without modules',
    () => fromPublishedViewSynthesisConfig({ ...published, block_config: undefined }),
    /a list of modules for block_config/,
  ],
])('%s is refused', (_name, call, message) => expectError(call, 'ERR_ARGUMENT', message));
