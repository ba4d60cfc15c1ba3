import type { TensorLayout } from '../io/tensor_layout';
import { fromPublishedConfig } from './language_model_config';
import { languageModelParameters } from './language_model_parameters';

/** A parameter's shape by its published name. */
export type ParameterTable = ReadonlyMap<string, Pick<TensorLayout, 'shape'>>;

/** What a model's published checkpoints hold. */
export interface PublishedModel {
  /** Put before every name by some checkpoints, which loading a model drops. */
  readonly prefix: string;
  /** @param config the published config, as read from JSON; published defaults where it is silent */
  table(config: Record<string, unknown>): ParameterTable;
}

/** The models whose published weights load by name. */
export const publishedModels: ReadonlyMap<string, PublishedModel> = new Map([
  [
    'language-model',
    {
      prefix: 'model.',
      table: (config) => tableOf(languageModelParameters(fromPublishedConfig(config))),
    },
  ],
]);

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
