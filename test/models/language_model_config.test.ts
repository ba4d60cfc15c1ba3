import * as path from 'node:path';

import {
  fromPublishedConfig,
  type LanguageModelConfig,
  resolveLanguageModelConfig,
} from '../../src/models/language_model_config';
import { languageModelParameters } from '../../src/models/language_model_parameters';
import { FastWeightError } from '../../src/native/errors';
import { loadCase, withPrefix } from '../../src/verify/cases';

describe('resolveLanguageModelConfig', () => {
  test('gives the published defaults', () => {
    const config = resolveLanguageModelConfig({});
    expect(config).toMatchObject({ hiddenSize: 2048, numHiddenLayers: 24, useMuon: false });
    // 2048 * 4 * 2 / 3 is 5461.3, up to a multiple of 256.
    expect(config.intermediateSize).toBe(5632);
  });

  test('keeps a given feed-forward width', () => {
    expect(resolveLanguageModelConfig({ intermediateSize: 85 }).intermediateSize).toBe(85);
  });

  const bad: [string, Record<string, unknown>, RegExp][] = [
    ['an unknown setting', { hiddenSise: 32 }, /for config but got 'hiddenSise'/],
    ['an inherited name', { constructor: 32 }, /for config but got 'constructor'/],
    [
      'a fractional width',
      { hiddenSize: 1.5 },
      /^Expected an integer of at least 1 for hiddenSize but got 1.5$/,
    ],
    ['a width as text', { hiddenSize: '32' }, /for hiddenSize but got '32'/],
    ['a null', { hiddenSize: null }, /for hiddenSize but got null/],
    ['fewer heads than none', { numLactHeads: -1 }, /for numLactHeads but got -1/],
    ['a chunk of 0', { lactChunkSize: 0 }, /for lactChunkSize but got 0/],
    ['a negative window', { windowSize: -1 }, /for windowSize but got -1/],
    ['a flag as a number', { useMuon: 1 }, /a boolean for useMuon but got 1/],
    ['NaN', { normEps: Number.NaN }, /for normEps/],
    ['an infinite theta', { ropeTheta: Number.POSITIVE_INFINITY }, /for ropeTheta/],
    ['an unknown schedule', { newtonSchulz: 'them5' }, /for newtonSchulz but got 'them5'/],
    ['a pair for a triple', { newtonSchulz: [[1, 2]] }, /for newtonSchulz but got \[\[1,2\]\]/],
    [
      'heads that do not divide',
      { numLactHeads: 3 },
      /a divisor of hiddenSize 2048 for numLactHeads/,
    ],
    ['an odd head width', { hiddenSize: 12, numAttnHeads: 4, numLactHeads: 2 }, /even head width/],
    ['a hidden width of 0', { interMulti: 1e-6 }, /for interMulti/],
  ];
  test.each(bad)('refuses %s', (_name, partial, message) => {
    const resolve = () => resolveLanguageModelConfig(partial as Partial<LanguageModelConfig>);
    expect(resolve).toThrow(FastWeightError);
    expect(resolve).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(resolve).toThrow(message);
  });
});

describe('fromPublishedConfig', () => {
  test('reads every setting by its published name', () => {
    const config = fromPublishedConfig({
      model_type: 'lact_swiglu',
      hidden_size: 1536,
      num_attn_heads: 24,
      w0_w2_low_rank: 32,
      no_v_silu: true,
      rope_theta: 1000000,
      attn_qk_norm: true,
      intermediate_size: null,
      window_size: null,
      learnable_ttt_scale: false,
      fuse_norm: true,
    });
    expect(config).toMatchObject({
      hiddenSize: 1536,
      numAttnHeads: 24,
      w0w2LowRank: 32,
      noVSilu: true,
      ropeTheta: 1000000,
      attnQkNorm: true,
      intermediateSize: 4096,
      windowSize: 0,
      learnableTttScale: false,
    });
  });

  test.each([
    [{ lr_dim: 2 }, /Expected 1 for lr_dim but got 2/],
    [{ model_type: 'llama' }, /for model_type but got 'llama'/],
    [{ hidden_act: 'gelu' }, /'swish' or 'silu' for hidden_act but got 'gelu'/],
    [[], /an object for the published config/],
  ])('refuses another model: %j', (json, message) => {
    expect(() => fromPublishedConfig(json as Record<string, unknown>)).toThrow(message);
  });
});

describe('languageModelParameters', () => {
  test.each(['lm_momentum', 'lm_muon_momentum_lowrank', 'lm_prenorm_nope_novsilu'])(
    'lists exactly the published parameters of %s',
    (name) => {
      const golden = loadCase(path.join(__dirname, `../golden/cases/models/${name}.safetensors`));
      const published = withPrefix(golden, 'param.');
      const config = fromPublishedConfig({
        ...(golden.settings.config as object),
        intermediate_size: 85,
      });
      const listed = languageModelParameters(config).map(({ name, shape }) => [name, shape]);
      const shapes = Object.entries(published).map(([name, { shape }]) => [name, shape]);
      expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(shapes));
      expect(listed).toHaveLength(shapes.length);
    },
  );

  test('without heads of fast weights lists those of attention alone', () => {
    const names = languageModelParameters(
      resolveLanguageModelConfig({ numHiddenLayers: 1, numLactHeads: 0 }),
    ).map(({ name }) => name);
    expect(names.filter((name) => name.includes('.attn.'))).toEqual([
      'layers.0.attn.qkv.weight',
      'layers.0.attn.o_proj.weight',
    ]);
  });

  test('adds biases and norms, and drops the head of tied embeddings', () => {
    const config = resolveLanguageModelConfig({
      numHiddenLayers: 1,
      qkvBias: true,
      attnQkNorm: true,
      tieWordEmbeddings: true,
    });
    const names = languageModelParameters(config).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['layers.0.attn.qkv.bias']));
    expect(names).toEqual(expect.arrayContaining(['layers.0.attn.q_norm.weight']));
    expect(names).toEqual(expect.arrayContaining(['layers.0.attn.k_norm.weight']));
    expect(names).not.toContain('lm_head.weight');
  });
});
