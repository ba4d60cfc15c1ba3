// What is measured on a GPU: memory's bandwidth and the GEMM rate first, of which all else is a
// share, then the shapes of the performance contract.
import type { MatmulPrecision } from '../../src/backend/matmul_precision';
import type { FastWeightScanOptions } from '../../src/ops/fast_weight_scan';
import type { NewtonSchulzMethod } from '../../src/ops/newton_schulz';
import { bidirectional, type Program, shiftedCausal } from '../../src/ops/programs';
import type { Case, Shape, Tensors } from '../case';
import {
  attentionBackwardFlops,
  attentionForwardFlops,
  gemmFlops,
  newtonSchulzFlops,
  type ScanSizes,
  scanBackwardFlops,
  scanForwardFlops,
  scheduleSteps,
} from '../flops';
import { longNormal, uniform } from '../random_data';

/**
 * Of rivals against our float32: what each precision loses, and what bfloat16 loses in Newton-Schulz
 * whose iterates are kept in it. There ten times the error is another function.
 */
const tolerances = {
  float32: { outputs: 1e-4, gradients: 1e-3 },
  tf32: { outputs: 4e-3, gradients: 1e-2 },
  bfloat16: { outputs: 0.03, gradients: 0.06 },
  bfloat16WithMuon: { outputs: 0.12, gradients: 0.5 },
} as const;

type Sizes = Readonly<Record<string, readonly number[]>>;

const floatsOf = (sizes: Sizes) =>
  Object.values(sizes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** Float32 bytes of what a case reads and what it writes: results, or gradients of all its inputs. */
const bytesOf = (inputs: Sizes, results: Sizes) => 4 * (floatsOf(inputs) + floatsOf(results));

const direction = (backward: boolean) => (backward ? 'forward + backward' : 'forward');

/** y = x + x. */
export function bandwidthCase(floats: number): Case {
  return {
    suite: 'bandwidth',
    name: `y = x + x, ${floats} floats`,
    shape: { floats },
    task: { operation: 'double' },
    flops: 0,
    bytes: 8 * floats,
    tolerance: tolerances.float32,
    inputs: () => new Map([['x', longNormal([floats], 1)]]),
  };
}

export function gemmCase(m: number, n: number, k: number, precision: MatmulPrecision): Case {
  const sizes = { a: [1, m, k], b: [1, k, n] };
  return {
    suite: 'gemm',
    name: `gemm ${m} x ${n} x ${k}, ${precision}`,
    shape: { m, n, k },
    task: { operation: 'matMul', transposeA: false, transposeB: false },
    flops: gemmFlops(1, m, n, k),
    bytes: bytesOf(sizes, { output: [1, m, n] }),
    precision,
    tolerance: tolerances[precision],
    inputs: () =>
      new Map([
        ['a', longNormal(sizes.a, 1)],
        ['b', longNormal(sizes.b, 2, k ** -0.5)],
      ]),
  };
}

/** A scan's shape, program and options. */
interface Scan {
  /** Its use: 'view synthesis' or 'language'. */
  use: string;
  shape: Shape;
  program: Program;
  options: FastWeightScanOptions;
  hasMomentum: boolean;
  /** What the name says of it, behind the direction. */
  title: string;
}

/** One item whose tokens are all written, then all read (Muon, no momentum), as published. */
function viewSynthesis(tokens: number, key: number, hidden: number): Scan {
  return {
    use: 'view synthesis',
    shape: { rows: 1, tokens, key, hidden },
    program: bidirectional(tokens),
    options: { optimizer: 'muon', newtonSchulz: 'keller5', weightNorm: 'post', detachNorm: true },
    hasMomentum: false,
    title: `tokens ${tokens}, ${key} x ${hidden}`,
  };
}

/** The language model's heads, with momentum; Muon or plain steps. */
function language(
  { tokens, width, chunk }: { tokens: number; width: number; chunk: number },
  optimizer: 'muon' | 'gd',
): Scan {
  return {
    use: 'language',
    shape: { rows: 4, tokens, chunk, key: width, hidden: width },
    program: shiftedCausal(tokens, chunk),
    options: {
      optimizer,
      newtonSchulz: optimizer === 'muon' ? 'you5' : undefined,
      weightNorm: 'post',
    },
    hasMomentum: true,
    title: `chunk ${chunk}, ${width} x ${width}, ${optimizer === 'muon' ? 'Muon' : 'momentum alone'}`,
  };
}

function scanCase(scan: Scan, backward: boolean): Case {
  const { use, shape, program, options, hasMomentum, title } = scan;
  const { rows, tokens, key, hidden } = shape;
  const muon = options.optimizer === 'muon' ? options.newtonSchulz : undefined;
  const sizes: ScanSizes = {
    rows,
    keyDim: key,
    hiddenDim: hidden,
    valueDim: key,
    program,
    newtonSchulzSteps: muon === undefined ? 0 : scheduleSteps(muon),
  };
  const inputs = scanInputs(shape, hasMomentum);
  const output = { output: [rows, tokens, key] };
  return {
    suite: 'scan',
    name: `${use} ${direction(backward)}, ${title}`,
    shape,
    task: { operation: 'scan', backward, program, options },
    flops: scanForwardFlops(sizes) + (backward ? scanBackwardFlops(sizes) : 0),
    bytes: bytesOf(backward ? { ...inputs, ...output } : inputs, backward ? inputs : output),
    precision: 'bfloat16',
    tolerance: tolerances[muon === undefined ? 'bfloat16' : 'bfloat16WithMuon'],
    inputs: () => scanTensors(inputs, backward ? output.output : undefined),
  };
}

function scanInputs({ rows, tokens, key, hidden }: Shape, hasMomentum: boolean): Sizes {
  const read = [rows, tokens, key];
  return {
    q: read,
    k: read,
    v: read,
    rates: [rows, tokens, 3],
    ...(hasMomentum ? { momentum: [rows, tokens, 1] } : {}),
    w0: [rows, hidden, key],
    w1: [rows, key, hidden],
    w2: [rows, hidden, key],
  };
}

function scanTensors(sizes: Sizes, cotangent: readonly number[] | undefined): Tensors {
  const tensors: Tensors = new Map();
  for (const [at, [name, size]] of Object.entries(sizes).entries()) {
    const shape = [...size];
    const seed = at + 1;
    if (name === 'rates') tensors.set(name, uniform(shape, seed, 0.0005, 0.002));
    else if (name === 'momentum') tensors.set(name, uniform(shape, seed, 0.5, 1));
    else
      tensors.set(name, longNormal(shape, seed, name === 'v' ? 1 : (shape[2] as number) ** -0.5));
  }
  if (cotangent !== undefined) tensors.set('cotangent', longNormal([...cotangent], 9));
  return tensors;
}

export function newtonSchulzCase(
  matrices: number,
  rows: number,
  aspect: number,
  method: NewtonSchulzMethod,
): Case {
  const shape = [matrices, rows, rows * aspect];
  return {
    suite: 'newton-schulz',
    name: `Newton-Schulz ${method}, ${matrices} of ${rows} x ${rows * aspect}`,
    shape: { matrices, rows, columns: rows * aspect },
    task: { operation: 'newtonSchulz', schedule: 'you5', method },
    flops: newtonSchulzFlops(matrices, rows, rows * aspect, scheduleSteps('you5')),
    bytes: bytesOf({ d: shape }, { output: shape }),
    precision: 'bfloat16',
    tolerance: tolerances.bfloat16WithMuon,
    inputs: () => new Map([['d', longNormal(shape, 1)]]),
  };
}

export function attentionCase(shape: Shape, backward: boolean): Case {
  const { batch, tokens, heads, headDim, window } = shape;
  const sizes = [batch, tokens, heads, headDim, window] as const;
  const one = [batch, tokens, heads, headDim];
  const inputs = { q: one, k: one, v: one };
  return {
    suite: 'attention',
    name: `attention ${direction(backward)}, tokens ${tokens}, window ${window}, ${heads} heads of ${headDim}`,
    shape,
    task: { operation: 'attention', backward, window },
    flops: attentionForwardFlops(...sizes) + (backward ? attentionBackwardFlops(...sizes) : 0),
    bytes: backward
      ? bytesOf({ ...inputs, output: one }, inputs)
      : bytesOf(inputs, { output: one }),
    precision: 'bfloat16',
    tolerance: tolerances.bfloat16,
    inputs: () =>
      new Map(
        (backward ? ['q', 'k', 'v', 'cotangent'] : ['q', 'k', 'v']).map((name, at) => [
          name,
          longNormal(one, at + 1),
        ]),
      ),
  };
}

/** The cases of a run: those that say what the machine gives, and what is measured against them. */
export interface CudaCases {
  /** Products, whose best sets the GEMM rate of each precision. */
  gemm: Case[];
  rest: Case[];
}

const both = (of: (backward: boolean) => Case) => [false, true].map(of);

/** The contract's shapes, or with `quick` small ones that show that everything works. */
export function casesOf(quick: boolean): CudaCases {
  return quick ? quickCases() : contractCases();
}

function quickCases(): CudaCases {
  const small = { tokens: 64, width: 32, chunk: 32 };
  const scans = [viewSynthesis(64, 32, 48), language(small, 'muon'), language(small, 'gd')];
  const rest = [
    bandwidthCase(4096),
    ...scans.flatMap((scan) => both((backward) => scanCase(scan, backward))),
    newtonSchulzCase(2, 16, 2, 'standard'),
    newtonSchulzCase(2, 16, 2, 'gram'),
    attentionCase({ batch: 1, tokens: 64, heads: 2, headDim: 16, window: 16 }, true),
  ];
  // No goal is about these.
  const asQuick = (each: Case): Case => ({ ...each, name: `quick ${each.name}` });
  return {
    gemm: [gemmCase(64, 64, 64, 'bfloat16'), gemmCase(64, 64, 64, 'float32')].map(asQuick),
    rest: rest.map(asQuick),
  };
}

function contractCases(): CudaCases {
  const scans = [
    ...[1536, 3072].map((hidden) => viewSynthesis(65536, 768, hidden)),
    ...(['muon', 'gd'] as const).flatMap((optimizer) =>
      [2048, 4096].flatMap((chunk) =>
        [384, 768].map((width) => language({ tokens: 32768, width, chunk }, optimizer)),
      ),
    ),
  ];
  const precisions: MatmulPrecision[] = ['bfloat16', 'tf32', 'float32'];
  return {
    gemm: [
      ...precisions.map((precision) => gemmCase(8192, 8192, 8192, precision)),
      gemmCase(65536, 3072, 768, 'bfloat16'),
      gemmCase(65536, 768, 1536, 'bfloat16'),
    ],
    rest: [
      bandwidthCase(2 ** 27),
      ...scans.flatMap((scan) => both((backward) => scanCase(scan, backward))),
      ...[384, 768, 1536].flatMap((rows) =>
        [1, 2, 4].flatMap((aspect) =>
          (['standard', 'gram'] as const).map((method) =>
            newtonSchulzCase(12, rows, aspect, method),
          ),
        ),
      ),
      ...[64, 128].flatMap((headDim) =>
        both((backward) =>
          attentionCase(
            { batch: 1, tokens: 32768, heads: 768 / headDim, headDim, window: 2048 },
            backward,
          ),
        ),
      ),
    ],
  };
}
