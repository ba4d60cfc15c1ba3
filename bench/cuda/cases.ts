// What is measured on a GPU: memory's bandwidth and cuBLAS's rate first, of which all else is a
// share, then the shapes of the performance contract.
import * as tf from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../../src/backend/fastweight_backend';
import { type MatmulPrecision, setMatmulPrecision } from '../../src/backend/matmul_precision';
import { fastWeightScanOutput } from '../../src/ops/fast_weight_scan';
import { newtonSchulz } from '../../src/ops/newton_schulz';
import { bidirectional, type Program, shiftedCausal } from '../../src/ops/programs';
import { randomNormal, randomUniform } from '../../src/ops/random';
import {
  gemmFlops,
  newtonSchulzFlops,
  type ScanSizes,
  scanBackwardFlops,
  scanForwardFlops,
} from '../flops';

/** A measurement: `make` sets up what `run` repeats. */
export interface CudaCase {
  name: string;
  precision: MatmulPrecision;
  /** Operations that the algorithm needs, or 0 where bytes are counted. */
  flops: number;
  /** Bytes that have to be read and written, or 0 where operations are counted. */
  bytes: number;
  make(): { run(): void; dispose(): void };
}

function repeated(inputs: tf.Tensor[], body: () => tf.Tensor | tf.Tensor[]) {
  return { run: () => tf.dispose(body()), dispose: () => tf.dispose(inputs) };
}

export function bandwidthCase(floats: number): CudaCase {
  return {
    name: `y = x + x, ${floats} floats`,
    precision: 'float32',
    flops: 0,
    bytes: 8 * floats,
    make() {
      const x = randomNormal([floats], 0, 1, 1);
      return repeated([x], () => tf.add(x, x));
    },
  };
}

export function gemmCase(m: number, n: number, k: number, precision: MatmulPrecision): CudaCase {
  return {
    name: `gemm ${m} x ${n} x ${k}`,
    precision,
    flops: gemmFlops(1, m, n, k),
    bytes: 0,
    make() {
      const a = randomNormal([m, k], 0, 1, 1) as tf.Tensor2D;
      const b = randomNormal([k, n], 0, 1, 2) as tf.Tensor2D;
      return repeated([a, b], () => tf.matMul(a, b));
    },
  };
}

interface ScanShape {
  rows: number;
  tokens: number;
  key: number;
  hidden: number;
  program: Program;
  schedule: 'you5' | 'keller5';
  steps: number;
}

export function scanCase(
  label: string,
  shape: ScanShape,
  precision: MatmulPrecision,
  backward: boolean,
): CudaCase {
  const { rows, tokens, key, hidden, program, schedule, steps } = shape;
  const sizes: ScanSizes = {
    rows,
    keyDim: key,
    hiddenDim: hidden,
    valueDim: key,
    program,
    newtonSchulzSteps: steps,
  };
  return {
    name: `${label}, ${backward ? 'forward + backward' : 'forward'}, ${rows} rows, ${tokens} tokens, ${key} x ${hidden}`,
    precision,
    flops: scanForwardFlops(sizes) + (backward ? scanBackwardFlops(sizes) : 0),
    bytes: 0,
    make() {
      const normal = (dims: [number, number, number], seed: number, deviation: number) =>
        randomNormal(dims, 0, deviation, seed) as tf.Tensor3D;
      const q = normal([rows, tokens, key], 1, key ** -0.5);
      const k = normal([rows, tokens, key], 2, key ** -0.5);
      const v = normal([rows, tokens, key], 3, 1);
      const rates = randomUniform([rows, tokens, 3], 0.0005, 0.002, 4) as tf.Tensor3D;
      const momentum = randomUniform([rows, tokens, 1], 0.5, 1, 5) as tf.Tensor3D;
      const w0 = normal([rows, hidden, key], 6, key ** -0.5);
      const w1 = normal([rows, key, hidden], 7, hidden ** -0.5);
      const w2 = normal([rows, hidden, key], 8, key ** -0.5);
      const options = {
        optimizer: 'muon',
        newtonSchulz: schedule,
        weightNorm: 'post',
      } as const;
      const scan = (...inputs: tf.Tensor[]) => {
        const [q, k, v, rates, momentum, w0, w1, w2] = inputs as tf.Tensor3D[];
        return fastWeightScanOutput({ q, k, v, rates, momentum }, { w0, w1, w2 }, program, options);
      };
      const inputs = [q, k, v, rates, momentum, w0, w1, w2];
      const gradients = tf.grads(scan);
      const cotangent = normal([rows, outputTokensOf(program), key], 9, 1);
      return repeated([...inputs, cotangent], () =>
        backward ? gradients(inputs, cotangent) : scan(...inputs),
      );
    },
  };
}

function outputTokensOf(program: Program): number {
  return program.reduce(
    (sum, { kind, start, end }) => sum + (kind === 'apply' ? end - start : 0),
    0,
  );
}

export function newtonSchulzCase(
  matrices: number,
  rows: number,
  aspect: number,
  precision: MatmulPrecision,
  method: 'standard' | 'gram',
): CudaCase {
  const columns = rows * aspect;
  return {
    name: `Newton-Schulz ${method}, ${matrices} x [${rows}, ${columns}]`,
    precision,
    flops: newtonSchulzFlops(matrices, rows, columns, 5),
    bytes: 0,
    make() {
      const d = randomNormal([matrices, rows, columns], 0, 1, 1) as tf.Tensor3D;
      return repeated([d], () => newtonSchulz(d, 'you5', { method }));
    },
  };
}

/** All cases, or with `quick` small ones that show that everything works. */
export function casesOf(quick: boolean): CudaCase[] {
  if (quick) {
    const program = shiftedCausal(64, 32);
    const shape = {
      rows: 2,
      tokens: 64,
      key: 32,
      hidden: 48,
      program,
      schedule: 'you5',
      steps: 5,
    } as const;
    return [
      bandwidthCase(4096),
      gemmCase(64, 64, 64, 'float32'),
      scanCase('language', shape, 'float32', false),
      scanCase('language', shape, 'float32', true),
      newtonSchulzCase(2, 16, 2, 'float32', 'standard'),
      newtonSchulzCase(2, 16, 2, 'float32', 'gram'),
    ];
  }
  const precisions: MatmulPrecision[] = ['bfloat16', 'tf32', 'float32'];
  const view = (hidden: number) => {
    const program = bidirectional(65536);
    return {
      rows: 1,
      tokens: 65536,
      key: 768,
      hidden,
      program,
      schedule: 'keller5',
      steps: 5,
    } as const;
  };
  const language = (width: number, chunk: number) => {
    const program = shiftedCausal(32768, chunk);
    return {
      rows: 4,
      tokens: 32768,
      key: width,
      hidden: width,
      program,
      schedule: 'you5',
      steps: 5,
    } as const;
  };
  const scans = (label: string, shape: ScanShape) =>
    [false, true].map((backward) => scanCase(label, shape, 'bfloat16', backward));
  return [
    bandwidthCase(2 ** 27),
    ...precisions.map((precision) => gemmCase(8192, 8192, 8192, precision)),
    gemmCase(65536, 3072, 768, 'bfloat16'),
    gemmCase(65536, 768, 1536, 'bfloat16'),
    ...scans('view synthesis', view(1536)),
    ...scans('view synthesis', view(3072)),
    ...[2048, 4096].flatMap((chunk) =>
      [384, 768].flatMap((width) => scans(`language, chunk ${chunk}`, language(width, chunk))),
    ),
    ...[384, 768, 1536].flatMap((rows) =>
      [1, 2, 4].flatMap((aspect) => [
        newtonSchulzCase(12, rows, aspect, 'bfloat16', 'standard'),
        newtonSchulzCase(12, rows, aspect, 'bfloat16', 'gram'),
      ]),
    ),
  ];
}

/** Milliseconds of each of `rounds` repetitions, by the device's own clock, after warming up. */
export function measure(benchCase: CudaCase, rounds: number): number[] {
  setMatmulPrecision(benchCase.precision);
  const { addon } = tf.backend() as FastWeightBackend;
  const { run, dispose } = benchCase.make();
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const start = addon.mark();
    run();
    const milliseconds = addon.millisecondsBetween(start, addon.mark());
    if (round >= 0) times.push(milliseconds);
  }
  dispose();
  setMatmulPrecision('float32');
  return times;
}
