/** How a parameter starts. */
export type Initializer = { kind: 'normal'; std: number } | { kind: 'ones' } | { kind: 'zeros' };

export interface ParameterSpec {
  /** The published name, within the layer that holds the parameter. */
  name: string;
  /** Linear weights are [out, in], as published. */
  shape: number[];
  initializer: Initializer;
}

export const ones: Initializer = { kind: 'ones' };
export const zeros: Initializer = { kind: 'zeros' };
export const normal = (std: number): Initializer => ({ kind: 'normal', std });

/** Deviation that keeps the size of signals forward and backward (Glorot and Bengio, 2010). */
export function xavier(inputs: number, outputs: number): number {
  return Math.sqrt(2 / (inputs + outputs));
}

/** A linear map's weight [out, in] and, where asked for, bias [out]. */
export function linearParameters(
  name: string,
  shape: [out: number, inputs: number],
  std: number,
  bias = false,
): ParameterSpec[] {
  const weight = { name: `${name}.weight`, shape, initializer: normal(std) };
  return bias
    ? [weight, { name: `${name}.bias`, shape: [shape[0]], initializer: zeros }]
    : [weight];
}
