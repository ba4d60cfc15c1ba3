import type { ScanMemory } from '../../src/native/fast_weight_addon';
import { shiftedCausal } from '../../src/ops/programs';
import type { Case, Shape, Suite, Tensors } from '../case';
import { type ScanSizes, scanBackwardFlops, scanForwardFlops, scheduleSteps } from '../flops';
import { normal, uniform } from '../random_data';

const schedule = 'you5';

/** The language model's program, Muon and momentum: forward, and forward with backward. */
export const fastWeightScan: Suite = {
  name: 'fast-weight-scan',
  shapes: [
    { rows: 1, tokens: 4096, chunk: 2048, key: 768, hidden: 1536 },
    { rows: 4, tokens: 8192, chunk: 1024, key: 256, hidden: 256 },
    { rows: 1, tokens: 4096, chunk: 2048, key: 512, hidden: 512 },
    { rows: 1, tokens: 256, chunk: 128, key: 128, hidden: 128 },
  ],
  quick: [{ rows: 2, tokens: 64, chunk: 32, key: 32, hidden: 48 }],
  cases: (shape) => [
    scanCase(shape, false),
    scanCase(shape, true),
    scanCase(shape, true, 'activations'),
    scanCase(shape, true, 'recompute'),
  ],
};

/** `memory`: what our forward keeps for its backward, where that is not left to it. */
function scanCase(shape: Shape, backward: boolean, memory?: ScanMemory): Case {
  const { rows, tokens, chunk, key, hidden, value = key } = shape;
  const program = shiftedCausal(tokens, chunk);
  const sizes: ScanSizes = {
    rows,
    keyDim: key,
    hiddenDim: hidden,
    valueDim: value,
    program,
    newtonSchulzSteps: scheduleSteps(schedule),
  };
  const flops = scanForwardFlops(sizes) + (backward ? scanBackwardFlops(sizes) : 0);
  const keeping = memory === undefined ? '' : ` (${memory})`;
  const direction = backward ? `forward + backward${keeping}` : 'forward';
  return {
    suite: 'fast-weight-scan',
    name: `scan ${direction}, rows ${rows}, tokens ${tokens}, chunk ${chunk}, ${key} x ${hidden}`,
    shape,
    task: {
      operation: 'scan',
      backward,
      program,
      options: { optimizer: 'muon', newtonSchulz: schedule, weightNorm: 'post', memory },
    },
    flops,
    tolerance: { outputs: 1e-4, gradients: 1e-3 },
    inputs: () => inputs(sizes, tokens, backward),
  };
}

function inputs(sizes: ScanSizes, tokens: number, backward: boolean): Tensors {
  const { rows, keyDim, hiddenDim, valueDim } = sizes;
  const unitRows = keyDim ** -0.5;
  const tensors: Tensors = new Map([
    ['q', normal([rows, tokens, keyDim], 1, unitRows)],
    ['k', normal([rows, tokens, keyDim], 2, unitRows)],
    ['v', normal([rows, tokens, valueDim], 3)],
    ['rates', uniform([rows, tokens, 3], 4, 0.0005, 0.002)],
    ['momentum', uniform([rows, tokens, 1], 5, 0.5, 1)],
    ['w0', normal([rows, hiddenDim, keyDim], 6, keyDim ** -0.5)],
    ['w1', normal([rows, valueDim, hiddenDim], 7, hiddenDim ** -0.5)],
    ['w2', normal([rows, hiddenDim, keyDim], 8, keyDim ** -0.5)],
  ]);
  if (backward) tensors.set('cotangent', normal([rows, tokens, valueDim], 9));
  return tensors;
}
