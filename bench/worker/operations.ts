import * as tf from '@tensorflow/tfjs-core';
import type { FastWeightInputs } from '../../src/ops/fast_weight_scan';
import type { FastWeights } from '../../src/ops/fast_weight_state';
import type { Task } from '../task';
import type { Library } from './library';

type Named = Record<string, tf.Tensor>;

/** A task on its inputs. */
export interface Prepared {
  /** Results to compare with other contenders'; gradients are named 'gradient.' and an input's name. */
  results(): Named;
  /** What is timed. */
  run(): void;
}

const learningRate = 1e-4;

/** Prepares `task` on tensors that stay the caller's. */
export function prepare(task: Task, inputs: Named, library: Library): Prepared {
  const timed = (results: () => Named): Prepared => ({
    results,
    run: () => tf.dispose(tf.tidy(results)),
  });
  switch (task.operation) {
    case 'matMul':
      return timed(() => ({
        output: tf.matMul(inputs.a, inputs.b, task.transposeA, task.transposeB),
      }));
    case 'newtonSchulz':
      return timed(() => ({
        output: library.newtonSchulz(inputs.d as tf.Tensor3D, task.schedule),
      }));
    case 'scan': {
      const { cotangent, ...given } = inputs;
      const scan = (values: Named) =>
        library.scan(
          values as unknown as FastWeightInputs,
          values as unknown as FastWeights,
          task.program,
          task.options,
        );
      return timed(() => evaluate(scan, given, cotangent));
    }
    case 'attention': {
      const { cotangent, ...given } = inputs;
      const attend = ({ q, k, v }: Record<string, tf.Tensor4D>) =>
        library.attention(q, k, v, task.window);
      return timed(() => evaluate(attend as (values: Named) => tf.Tensor, given, cotangent));
    }
    default:
      return prepareLanguageModel(task, inputs, library);
  }
}

/** The output; or, with a cotangent of it, the gradients of every input. */
function evaluate(
  f: (values: Named) => tf.Tensor,
  inputs: Named,
  cotangent: tf.Tensor | undefined,
): Named {
  if (cotangent === undefined) return { output: f(inputs) };
  const names = Object.keys(inputs);
  const ofList = (...values: tf.Tensor[]) =>
    f(Object.fromEntries(names.map((name, at) => [name, values[at]])));
  const gradients = tf.grads(ofList)(Object.values(inputs), cotangent);
  return Object.fromEntries(names.map((name, at) => [`gradient.${name}`, gradients[at]]));
}

function prepareLanguageModel(
  task: Extract<Task, { operation: 'prefill' | 'trainStep' }>,
  inputs: Named,
  library: Library,
): Prepared {
  const prefix = 'parameters.';
  const parameters = Object.fromEntries(
    Object.entries(inputs)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
  const model = library.languageModel(parameters, task.config);
  const [ids, labels] = [inputs.ids, inputs.labels] as tf.Tensor2D[];
  if (task.operation === 'prefill') {
    const results = () => ({ output: model.logits(ids) });
    return { results, run: () => tf.dispose(tf.tidy(results)) };
  }
  const variables = [...model.variables.values()];
  const optimizer = library.adam(learningRate);
  const lossOf = () => model.loss(ids, labels);
  return {
    results() {
      const { value, grads } = tf.variableGrads(lossOf, variables);
      const gradients = [...model.variables].map(([name, variable]) => [
        `gradient.${name}`,
        grads[variable.name],
      ]);
      return { loss: value, ...Object.fromEntries(gradients) };
    },
    run: () => {
      optimizer.minimize(lossOf, false, variables);
    },
  };
}
