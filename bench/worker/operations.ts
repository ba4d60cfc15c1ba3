import * as tf from '@tensorflow/tfjs-core';
import type { FastWeightInputs } from '../../src/ops/fast_weight_scan';
import type { FastWeights } from '../../src/ops/fast_weight_state';
import type { Task } from '../task';
import type { Library, TrainableModel } from './library';

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
    case 'double':
      return timed(() => ({ output: tf.add(inputs.x, inputs.x) }));
    case 'newtonSchulz':
      return timed(() => ({
        output: library.newtonSchulz(inputs.d as tf.Tensor3D, task.schedule, task.method),
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
  task: Extract<Task, { config: unknown }>,
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
  if (task.operation === 'readPrompt' || task.operation === 'decode') {
    return prepareSession(model, ids, task.operation);
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

/** Steps whose last logits are compared: a chunk is written among them where it is shorter. */
const comparedSteps = 40;

/** The reading of a prompt from its beginning, or a token more after it. */
function prepareSession(
  model: TrainableModel,
  ids: tf.Tensor2D,
  operation: 'readPrompt' | 'decode',
): Prepared {
  const batch = ids.shape[0];
  const start = () => {
    if (model.startSession === undefined) throw new Error('it has no sessions');
    return model.startSession(batch);
  };
  const prompts = ids.arraySync();
  const readPrompt = () => {
    const session = start();
    const output = session.prefill(prompts);
    session.dispose();
    return { output };
  };
  if (operation === 'readPrompt') {
    return { results: readPrompt, run: () => tf.dispose(readPrompt()) };
  }
  const session = start();
  session.prefill(prompts).dispose();
  let steps = 0;
  const step = () => {
    const at = steps++;
    return session.step(prompts.map((prompt) => prompt[at % prompt.length]));
  };
  const results = () => {
    for (let at = 1; at < comparedSteps; at++) step().dispose();
    return { output: step() };
  };
  return {
    results,
    run: () => {
      const logits = step();
      logits.dataSync(); // what sampling waits for
      logits.dispose();
    },
  };
}
