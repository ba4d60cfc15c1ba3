import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { TensorLayout } from '../io/tensor_layout';
import { fromPublishedConfig } from './language_model_config';
import { languageModelParameters } from './language_model_parameters';
import { namedParameters } from './named_parameters';
import { videoDiffusion } from './video_diffusion';
import { viewSynthesis } from './view_synthesis';
import { fromPublishedViewSynthesisConfig } from './view_synthesis_config';

/** A parameter's shape by its published name. */
export type ParameterTable = ReadonlyMap<string, Pick<TensorLayout, 'shape'>>;

/** What a model's published checkpoints hold. */
export interface PublishedModel {
  /** Put before every name by some checkpoints, which loading a model drops. */
  readonly prefix: string;
  /** @param config the model's config, as read from JSON; left out, its published defaults */
  table(config?: Record<string, unknown>): ParameterTable;
}

/** The models whose published weights load by name. */
export const publishedModels: ReadonlyMap<string, PublishedModel> = new Map([
  [
    'language-model',
    {
      prefix: 'model.',
      table: (config = {}) => tableOf(languageModelParameters(fromPublishedConfig(config))),
    },
  ],
  [
    'view-synthesis',
    {
      prefix: '',
      table: (config) =>
        tableOfModel(viewSynthesis(config && fromPublishedViewSynthesisConfig(config))),
    },
  ],
  // Its published config is spread over Python; this one has the names of VideoDiffusionConfig.
  ['video', { prefix: '', table: (config = {}) => tableOfModel(videoDiffusion(config)) }],
]);

/** The parameters of a model that was built to name them. */
function tableOfModel(model: LayersModel): ParameterTable {
  const table = new Map(
    [...namedParameters(model)].map(([name, { shape }]) => [name, { shape: shape as number[] }]),
  );
  model.dispose();
  return table;
}

function tableOf(parameters: readonly { name: string; shape: number[] }[]): ParameterTable {
  return new Map(parameters.map(({ name, shape }) => [name, { shape }]));
}

/**
 * What stands between tensors and a model: a line for each name that is missing, unknown or of
 * another shape; none where they fit.
 */
export function differencesFrom(
  { prefix }: PublishedModel,
  table: ParameterTable,
  tensors: ParameterTable,
): string[] {
  const plain = new Map(
    [...tensors].map(([name, { shape }]) => [
      name.startsWith(prefix) ? name.slice(prefix.length) : name,
      shape,
    ]),
  );
  const show = (shape: readonly number[]) => `[${shape.join(', ')}]`;
  const unknown = [...plain].filter(([name]) => !table.has(name));
  const missing = [...table].filter(([name]) => !plain.has(name));
  const reshaped = [...table].flatMap(([name, { shape }]): string[] => {
    const got = plain.get(name);
    if (got === undefined || show(got) === show(shape)) return [];
    return [`shape: ${name} is ${show(got)}, the model's is ${show(shape)}`];
  });
  return [
    ...reshaped,
    ...unknown.map(([name, shape]) => `unknown: ${name} ${show(shape)}`),
    ...missing.map(([name, { shape }]) => `missing: ${name} ${show(shape)}`),
  ];
}
