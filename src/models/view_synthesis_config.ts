import { expected } from '../native/errors';

/** Self-attention among the tokens of each image. */
export interface SelfAttentionModule {
  type: 'model.SelfAttention';
  /** Tokens it looks at together: those of one image ('l'). */
  lengthDim?: 'l';
  params: { headDim: number; useQkNorm?: boolean };
}

/** Fast weights, written with the tokens of all context images, read by the tokens of all. */
export interface FastWeightModule {
  type: 'lact_ttt.FastWeightGluMLPMultihead';
  lengthDim?: 'vl';
  params: {
    headDim: number;
    /** Hidden width of a fast-weight network in units of `headDim`; default 1. */
    interMulti?: number;
    /** Step size that a zero projection gives; default 0.01. */
    baseLr?: number;
    /** Newton-Schulz steps of the update, 1 or more; default 5. */
    muonUpdateSteps?: number;
  };
}

/** A gelu MLP, token by token. */
export interface MlpModule {
  type: 'model.MLP';
  lengthDim?: 'l' | 'vl';
  /** Hidden width in units of the model's width; default 4. */
  params?: { interMulti?: number };
}

export type ViewSynthesisModule = SelfAttentionModule | FastWeightModule | MlpModule;

/** Settings of the LaCT view-synthesis model (arXiv 2505.23884; `lact_nvs`). */
export interface ViewSynthesisConfig {
  /** Pixels along the side of a patch, which is a token. */
  patchSize: number;
  /** Width of the residual stream. */
  dim: number;
  layers: number;
  /** The modules of each layer, each behind a layer norm and beside a residual connection. */
  blockConfig: readonly ViewSynthesisModule[];
  /** Standard deviation of the initial linear weights; default 0.02, as published for dim 768. */
  initializerRange?: number;
}

/** A config with every default filled in. */
export type ResolvedModule =
  | (SelfAttentionModule & { params: Required<SelfAttentionModule['params']> })
  | (FastWeightModule & { params: Required<FastWeightModule['params']> })
  | (MlpModule & { params: Required<NonNullable<MlpModule['params']>> });
export type ResolvedViewSynthesisConfig = Required<Omit<ViewSynthesisConfig, 'blockConfig'>> & {
  blockConfig: readonly ResolvedModule[];
};

/** The published modules of a layer, in the published model's 14-layer size. */
const publishedModules: readonly ViewSynthesisModule[] = [
  { type: 'model.SelfAttention', lengthDim: 'l', params: { headDim: 64, useQkNorm: true } },
  {
    type: 'lact_ttt.FastWeightGluMLPMultihead',
    lengthDim: 'vl',
    params: { headDim: 768, interMulti: 2, baseLr: 0.01, muonUpdateSteps: 5 },
  },
  { type: 'model.MLP', lengthDim: 'vl', params: { interMulti: 4 } },
];

const defaults: Required<ViewSynthesisConfig> = {
  patchSize: 8,
  dim: 768,
  layers: 14,
  blockConfig: publishedModules,
  initializerRange: 0.02,
};

type Check = { holds: (value: unknown, dim: number) => boolean; expectation: string };

const count: Check = {
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  expectation: 'an integer of at least 1',
};
const positive: Check = {
  holds: (value) => Number.isFinite(value) && (value as number) > 0,
  expectation: 'a positive number',
};
const boolean: Check = { holds: (value) => typeof value === 'boolean', expectation: 'a boolean' };
const divisor: Check = {
  holds: (value, dim) => count.holds(value, dim) && dim % (value as number) === 0,
  expectation: 'a divisor of dim',
};
const steps: Check = {
  holds: (value) => count.holds(value, 0) && (value as number) < 100,
  expectation: 'an integer from 1 to 99',
};

/** What a module may be given: its settings, their defaults, and which tokens it looks at. */
interface ModuleRules {
  lengthDims: readonly string[];
  defaults: Readonly<Record<string, unknown>>;
  checks: Readonly<Record<string, Check>>;
}

const rules: Readonly<Record<ViewSynthesisModule['type'], ModuleRules>> = {
  'model.SelfAttention': {
    lengthDims: ['l'],
    defaults: { useQkNorm: true },
    checks: { headDim: divisor, useQkNorm: boolean },
  },
  'lact_ttt.FastWeightGluMLPMultihead': {
    lengthDims: ['vl'],
    defaults: { interMulti: 1, baseLr: 0.01, muonUpdateSteps: 5 },
    checks: { headDim: divisor, interMulti: positive, baseLr: positive, muonUpdateSteps: steps },
  },
  'model.MLP': {
    lengthDims: ['vl', 'l'],
    defaults: { interMulti: 4 },
    checks: { interMulti: positive },
  },
};

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value));
}

function refuse(expectation: string, name: string, value: unknown): never {
  throw expected('ERR_ARGUMENT', expectation, name, show(value));
}

function assertNames(values: object, known: readonly string[], what: string): void {
  const unknown = Object.keys(values).find((name) => !known.includes(name));
  if (unknown !== undefined) refuse(known.join(', '), what, unknown);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Those of the values that are given. */
function given(values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function resolveModule(module: unknown, at: number, dim: number): ResolvedModule {
  const name = `blockConfig[${at}]`;
  if (!isObject(module)) refuse('an object', name, module);
  assertNames(module, ['type', 'lengthDim', 'params'], name);
  const types = Object.keys(rules);
  if (typeof module.type !== 'string' || !Object.hasOwn(rules, module.type)) {
    refuse(types.map(show).join(' or '), `${name}.type`, module.type);
  }
  const { lengthDims, defaults, checks } = rules[module.type as ViewSynthesisModule['type']];
  const { lengthDim = lengthDims[0], params = {} } = module;
  if (!lengthDims.includes(lengthDim as string)) {
    refuse(lengthDims.map(show).join(' or '), `${name}.lengthDim`, lengthDim);
  }
  if (!isObject(params)) refuse('an object', `${name}.params`, params);
  assertNames(params, Object.keys(checks), `${name}.params`);
  const resolved: Record<string, unknown> = { ...defaults, ...given(params) };
  for (const [key, { holds, expectation }] of Object.entries(checks)) {
    if (!holds(resolved[key], dim)) refuse(expectation, `${name}.params.${key}`, resolved[key]);
  }
  const { headDim = dim, interMulti = 1 } = resolved as { headDim?: number; interMulti?: number };
  if (Math.trunc(headDim * interMulti) < 1) {
    const expectation = 'a multiple that leaves a hidden width of at least 1';
    refuse(expectation, `${name}.params.interMulti`, interMulti);
  }
  return { type: module.type, lengthDim, params: resolved } as unknown as ResolvedModule;
}

/**
 * A full config from a partial one: those of the published 14-layer model where a setting is absent.
 *
 * @throws FastWeightError ERR_ARGUMENT for a setting that is unknown or out of its range
 */
export function resolveViewSynthesisConfig(
  partial: Partial<ViewSynthesisConfig>,
): ResolvedViewSynthesisConfig {
  if (!isObject(partial)) refuse('an object', 'config', partial);
  assertNames(partial, Object.keys(defaults), 'config');
  const { patchSize, dim, layers, blockConfig, initializerRange } = {
    ...defaults,
    ...given(partial),
  } as Required<ViewSynthesisConfig>;
  for (const [name, value] of Object.entries({ patchSize, dim, layers })) {
    if (!count.holds(value, dim)) refuse(count.expectation, name, value);
  }
  if (!positive.holds(initializerRange, dim)) {
    refuse(positive.expectation, 'initializerRange', initializerRange);
  }
  if (!Array.isArray(blockConfig) || blockConfig.length === 0) {
    refuse('a list of at least one module', 'blockConfig', blockConfig);
  }
  const modules = blockConfig.map((module, at) => resolveModule(module, at, dim));
  return { patchSize, dim, layers, blockConfig: modules, initializerRange };
}

/** 'inter_multi' -> 'interMulti' */
function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function renamed(values: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [camelCase(name), value]),
  );
}

/**
 * A config from a published one (snake_case: patch_size, dim, layers, block_config).
 *
 * @throws FastWeightError ERR_ARGUMENT for a setting that is unknown, out of its range, or asks for
 * a model other than this one
 */
export function fromPublishedViewSynthesisConfig(
  json: Record<string, unknown>,
): ResolvedViewSynthesisConfig {
  if (!isObject(json)) refuse('an object', 'the published config', json);
  const { blockConfig, ...rest } = renamed(json);
  if (!Array.isArray(blockConfig)) refuse('a list of modules', 'block_config', blockConfig);
  const modules = blockConfig.map((module, at) => {
    if (!isObject(module)) refuse('an object', `block_config[${at}]`, module);
    const { params, ...others } = renamed(module);
    return isObject(params) ? { ...others, params: renamed(params) } : { ...others, params };
  });
  return resolveViewSynthesisConfig({
    ...rest,
    blockConfig: modules as unknown as ViewSynthesisModule[],
  });
}
