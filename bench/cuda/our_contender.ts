import * as tf from '@tensorflow/tfjs-core';
import { activationStorage, setActivationStorage } from '../../src/backend/activation_storage';
import type { FastWeightBackend } from '../../src/backend/fastweight_backend';
import { type MatmulPrecision, setMatmulPrecision } from '../../src/backend/matmul_precision';
import { type HostTensor, writeSafetensors } from '../../src/io/safetensors';
import { storeActivation } from '../../src/ops/store_activation';
import type { Case, Tensors } from '../case';
import { relativeError } from '../compare';
import type { Contender, Running } from '../contenders/contender';
import { packageLibrary } from '../worker/native_library';
import { type Prepared, prepare } from '../worker/operations';

/** Of one measurement, as bench/peers/cuda_peer.py has it. */
const leastSeconds = 0.02;
const mostRepetitions = 200;

/** Scans that come again are replayed as CUDA graphs from the fourth on. */
const untimed = 4;

/**
 * This package on the current tfjs backend, in this process, by the device's own clock. Where others
 * are compared with it, it computes its results in float32 too, and says how far off it is.
 */
export function ourContender(): Contender {
  return {
    name: 'fastweight',
    inProcess: true,
    declines: () => undefined,
    async start(benchCase, { results, compared }) {
      const inputs = toTensors(benchCase.inputs());
      const stored = benchCase.precision === 'bfloat16' ? storeActivations(inputs) : {};
      try {
        const exact = prepare(benchCase.task, inputs, packageLibrary);
        const timed = prepare(benchCase.task, { ...inputs, ...stored }, packageLibrary);
        const errors = compared ? await writeResults(benchCase, exact, timed, results) : undefined;
        return running(timed, [inputs, stored], benchCase.precision, errors);
      } catch (error) {
        tf.dispose([inputs, stored]);
        throw error;
      }
    },
  };
}

function toTensors(tensors: Tensors): Record<string, tf.Tensor> {
  return Object.fromEntries(
    [...tensors].map(([name, { data, shape, dtype }]) => [name, tf.tensor(data, shape, dtype)]),
  );
}

/** What models hand over as bfloat16, rivals' and ours. */
const activations = ['q', 'k', 'v', 'a', 'b'];

function storeActivations(inputs: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  const before = activationStorage();
  setActivationStorage('bfloat16');
  try {
    const names = activations.filter((name) => name in inputs);
    return Object.fromEntries(names.map((name) => [name, storeActivation(inputs[name])]));
  } finally {
    setActivationStorage(before);
  }
}

function inPrecision<Result>(precision: MatmulPrecision, body: () => Result): Result {
  setMatmulPrecision(precision);
  try {
    return body();
  } finally {
    setMatmulPrecision('float32');
  }
}

async function read({ results }: Prepared, precision: MatmulPrecision): Promise<Tensors> {
  const computed = inPrecision(precision, () => tf.tidy(results));
  const tensors = new Map<string, HostTensor>();
  for (const [name, tensor] of Object.entries(computed)) {
    const data = (await tensor.data()) as Float32Array;
    tensors.set(name, { dtype: 'float32', shape: tensor.shape, data });
  }
  tf.dispose(computed);
  return tensors;
}

/** Writes what float32 gives; the errors by name of what is timed in a reduced precision. */
async function writeResults(
  { precision = 'float32' }: Case,
  inFloat32: Prepared,
  timed: Prepared,
  file: string,
): Promise<Running['errors']> {
  const exact = await read(inFloat32, 'float32');
  writeSafetensors(file, { tensors: exact, metadata: {} });
  if (precision === 'float32') return undefined;
  const reduced = await read(timed, precision);
  return new Map(
    [...exact].map(([name, { data }]) => [
      name,
      relativeError((reduced.get(name) as HostTensor).data, data),
    ]),
  );
}

function running(
  { run }: Prepared,
  inputs: Record<string, tf.Tensor>[],
  precision: MatmulPrecision = 'float32',
  errors?: Running['errors'],
): Running {
  const { addon } = tf.backend() as FastWeightBackend;
  inPrecision(precision, () => {
    for (let i = 0; i < untimed; i++) run();
  });
  let count = 1;
  /** Seconds of `count` repetitions in a row, behind one that is not timed. */
  const secondsOf = () =>
    inPrecision(precision, () => {
      run();
      const start = addon.mark();
      for (let repetition = 0; repetition < count; repetition++) run();
      return addon.millisecondsBetween(start, addon.mark()) / 1000;
    });
  return {
    errors,
    async run() {
      for (;;) {
        const seconds = secondsOf();
        if (seconds >= leastSeconds || count >= mostRepetitions) return seconds / count;
        const growth = Math.max(1.5, (1.2 * leastSeconds) / Math.max(seconds, 1e-9));
        count = Math.min(mostRepetitions, Math.ceil(count * growth));
      }
    },
    async stop() {
      tf.dispose(inputs);
    },
  };
}
