import * as tf from '@tensorflow/tfjs-core';

import { expected } from '../native/errors';

export type NamedTensor = Awaited<ReturnType<tf.Optimizer['getWeights']>>[number];

/** What an optimizer keeps of each variable: a few variables of its shape, zero at first. */
export class Slots {
  /** By variable name, in the order in which the variables first had a gradient. */
  private readonly kept = new Map<string, tf.Variable[]>();

  /** @param names of the slots of a variable */
  constructor(readonly names: readonly string[]) {}

  /** Those of `variable`, in the order of `names`. */
  of(variable: tf.Variable): tf.Variable[] {
    const known = this.kept.get(variable.name);
    if (known) return known;
    const zeros = () => tf.tidy(() => tf.variable(tf.zerosLike(variable), false));
    const slots = this.names.map(zeros);
    this.kept.set(variable.name, slots);
    return slots;
  }

  /** All, as 'VARIABLE/slot', the slots of a variable together; they stay owned here. */
  tensors(): NamedTensor[] {
    return [...this.kept].flatMap(([variable, slots]) =>
      this.names.map((slot, at) => ({ name: `${variable}/${slot}`, tensor: slots[at] })),
    );
  }

  /** Whether a tensor of `tensors` is one of these slots. */
  owns({ name }: NamedTensor): boolean {
    return this.names.some((slot) => name.endsWith(`/${slot}`));
  }

  /**
   * @param weights what `tensors` gave
   * @throws FastWeightError ERR_CHECKPOINT where a slot is missing, misnamed or not float32 of its
   * variable's shape.
   */
  check(weights: readonly NamedTensor[]): void {
    const size = this.names.length;
    for (let at = 0; at < weights.length; at += size) {
      const group = weights.slice(at, at + size);
      const variable = this.variableOf(group[0]);
      this.names.forEach((slot, index) => {
        const wanted = `${variable}/${slot}`;
        const got = group[index]?.name;
        if (got !== wanted) throw expected('ERR_CHECKPOINT', `'${wanted}'`, 'weights', `'${got}'`);
        checkSlot(variable, group[index]);
      });
    }
  }

  /** Takes copies of what `check` found right, in place of what was kept. */
  replace(weights: readonly NamedTensor[]): void {
    this.dispose();
    for (const weight of weights) {
      const variable = this.variableOf(weight);
      const copy = tf.tidy(() => tf.variable(tf.clone(weight.tensor), false));
      this.kept.set(variable, [...(this.kept.get(variable) ?? []), copy]);
    }
  }

  dispose(): void {
    tf.dispose([...this.kept.values()].flat());
    this.kept.clear();
  }

  private variableOf({ name }: NamedTensor): string {
    const slot = this.names.find((each) => name.endsWith(`/${each}`));
    return slot === undefined ? name : name.slice(0, -slot.length - 1);
  }
}

function checkSlot(variable: string, { name, tensor: { shape, dtype } }: NamedTensor): void {
  const held = tf.engine().registeredVariables[variable];
  const wanted = held ? `float32 [${held.shape}]` : 'a variable of that name';
  const got = held ? `${dtype} [${shape}]` : 'none';
  if (wanted !== got) throw expected('ERR_CHECKPOINT', wanted, `weight '${name}'`, got);
}

/**
 * Checks the first of an optimizer's weights, the number of steps; where there were steps, there are
 * slots.
 *
 * @throws FastWeightError ERR_CHECKPOINT
 */
export function checkSteps([steps, ...slots]: readonly NamedTensor[]): void {
  const expectation = "the number of steps as int32 scalar 'iter', then what is kept of variables";
  const got = steps ? `'${steps.name}' ${steps.tensor.dtype} [${steps.tensor.shape}]` : 'none';
  if (got !== "'iter' int32 []") throw expected('ERR_CHECKPOINT', expectation, 'weights', got);
  const done = steps.tensor.dataSync()[0];
  if (done < 0 || (done > 0 && slots.length === 0)) {
    const found = `${done} steps and ${slots.length} tensors`;
    throw expected('ERR_CHECKPOINT', expectation, 'weights', found);
  }
}
