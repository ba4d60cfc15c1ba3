import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** A parameter of a model as tfjs-layers holds it. */
export interface Parameter {
  readonly shape: (number | null)[];
  /** The current value; the model goes on owning it. */
  read(): Tensor;
  /** Copies a value of the same shape in. */
  write(value: Tensor): unknown;
}

type Held = Parameter & { originalName: string; val: Variable };

/** Every parameter of a model by its published name, such as 'layers.0.attn.qkv.weight', in order. */
export function namedParameters(model: LayersModel): Map<string, Parameter> {
  const held = model.weights as unknown as Held[];
  return new Map(held.map((weight) => [publishedName(weight), weight]));
}

/** The tfjs variables that an optimizer updates, by their published names. */
export function namedVariables(model: LayersModel): Map<string, Variable> {
  const held = model.trainableWeights as unknown as Held[];
  return new Map(held.map((weight) => [publishedName(weight), weight.val]));
}

/** tfjs-layers writes 'layer/parameter'. */
function publishedName({ originalName }: Held): string {
  return originalName.replace('/', '.');
}
