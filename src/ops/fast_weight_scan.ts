import { engine, type NamedTensorMap, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { momentumScanKernel, type ScanAttrs, scanKernel } from '../kernels/fast_weights/names';
import { expected } from '../native/errors';
import { FastWeightState, type FastWeights } from './fast_weight_state';
import type { NewtonSchulzMethod } from './newton_schulz';
import { flatSchedule, type NewtonSchulzSchedule } from './newton_schulz_schedule';
import type { Program } from './programs';
import { assertBackend, assertChoice, assertTensor } from './validate';

/** Token inputs of a scan. A row is one head of one batch element. */
export interface FastWeightInputs {
  /** [rows, tokens, keyDim] */
  q: Tensor3D;
  /** [rows, tokens, keyDim] */
  k: Tensor3D;
  /** [rows, tokens, valueDim] */
  v: Tensor3D;
  /** [rows, tokens, 3]: the step sizes of w0, w1 and w2 */
  rates: Tensor3D;
  /** [rows, tokens, 1]: momentum coefficients; without them there is no momentum */
  momentum?: Tensor3D;
}

export interface FastWeightScanOptions {
  /** 'muon' orthogonalises each update; 'gd' (default) takes the gradient as it is. */
  optimizer?: 'gd' | 'muon';
  /** Muon's schedule, default 'you5'. */
  newtonSchulz?: NewtonSchulzSchedule;
  /** How a forward without a backward runs it, see {@link NewtonSchulzOptions}. */
  newtonSchulzMethod?: NewtonSchulzMethod;
  /** 'post' (default) normalises the stored weights, 'pre' only what is read, 'none' neither. */
  weightNorm?: 'post' | 'pre' | 'none';
  /** Let no gradient through the initial row norms (view synthesis). Default false. */
  detachNorm?: boolean;
  /**
   * What the forward keeps for the backward: 'store' everything it computed, which is fastest;
   * 'recompute' only the weights before each update, so that memory grows with updates and not with
   * tokens. 'auto' (default) stores while a scan's share stays below 1/32 of the machine's memory.
   */
  memory?: 'auto' | 'store' | 'recompute';
}

export interface FastWeightScanResult {
  /** [rows, tokens of all applies, valueDim]: every apply's result in program order */
  output: Tensor3D;
  state: FastWeightState;
}

/**
 * Runs a program of updates and applies over one set of fast weights per row (LaCT, arXiv
 * 2505.23884, section 3): an apply reads o_t = f(q_t), an update takes one step on a whole range of
 * tokens, with momentum, Newton-Schulz and row normalisation as the options say. Differentiable in
 * every tensor it is given, through `output` and `state.weights`.
 *
 * @param inputs shapes at {@link FastWeightInputs}
 * @param weights the initial weights, shapes at {@link FastWeights}
 * @param program made by {@link programs} or by hand; ranges may overlap, repeat and leave gaps
 * @returns new tensors, the caller's to dispose
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT, ERR_PROGRAM (an empty or
 * reversed range, no apply), ERR_RANGE (a range outside the tokens), ERR_NON_FINITE (step sizes or
 * momentum that are not finite, or weights that became so), ERR_OUT_OF_MEMORY,
 * ERR_DEVICE_UNAVAILABLE on a backend that is not ours
 */
export function fastWeightScan(
  inputs: FastWeightInputs,
  weights: FastWeights,
  program: Program,
  options: FastWeightScanOptions = {},
): FastWeightScanResult {
  const [output, ...state] = runScan(inputs, weights, program, options, true);
  const take = (): FastWeights => {
    const [w0, w1, w2] = state.splice(0, 3) as Tensor3D[];
    return { w0, w1, w2 };
  };
  const live = take();
  const main = options.weightNorm === 'pre' ? take() : live;
  const momenta = inputs.momentum ? take() : undefined;
  return { output: output as Tensor3D, state: new FastWeightState(live, main, momenta) };
}

/**
 * As {@link fastWeightScan} for who needs the output alone, which saves the state's memory.
 *
 * @returns [rows, tokens of all applies, valueDim]
 */
export function fastWeightScanOutput(
  inputs: FastWeightInputs,
  weights: FastWeights,
  program: Program,
  options: FastWeightScanOptions = {},
): Tensor3D {
  return runScan(inputs, weights, program, options, false)[0] as Tensor3D;
}

/** The kernel's outputs without the tape. */
function runScan(
  inputs: FastWeightInputs,
  weights: FastWeights,
  program: Program,
  options: FastWeightScanOptions,
  returnState: boolean,
): Tensor[] {
  assertBackend('fastWeightScan');
  assertShapes(inputs, weights);
  const { q, k, v, rates, momentum } = inputs;
  const { w0, w1, w2 } = weights;
  const attrs: ScanAttrs = {
    ...attributesOf(options),
    ...flatProgram(program, q.shape[1]),
    returnState,
    keepTape: engine().state.gradientDepth > 0,
  };
  const tensors: NamedTensorMap = { q, k, v, rates, w0, w1, w2 };
  if (momentum) tensors.momentum = momentum;
  const [output, tape, ...state] = engine().runKernel(
    momentum ? momentumScanKernel : scanKernel,
    tensors,
    attrs as unknown as Record<string, never>,
  ) as Tensor[];
  // The graph holds the tape for as long as a backward may need it.
  tape.dispose();
  return [output, ...state];
}

function assertShapes(inputs: FastWeightInputs, weights: FastWeights): void {
  assertTensor('q', inputs.q, ['rows', 'tokens', 'keyDim']);
  const [rows, tokens, keyDim] = inputs.q.shape;
  assertTensor('k', inputs.k, [rows, tokens, keyDim]);
  assertTensor('v', inputs.v, [rows, tokens, 'valueDim']);
  assertTensor('rates', inputs.rates, [rows, tokens, 3]);
  if (inputs.momentum !== undefined) assertTensor('momentum', inputs.momentum, [rows, tokens, 1]);
  assertTensor('w0', weights.w0, [rows, 'hiddenDim', keyDim]);
  const hiddenDim = weights.w0.shape[1];
  assertTensor('w1', weights.w1, [rows, inputs.v.shape[2], hiddenDim]);
  assertTensor('w2', weights.w2, [rows, hiddenDim, keyDim]);
}

function attributesOf(options: FastWeightScanOptions) {
  const { optimizer = 'gd', newtonSchulz = 'you5', weightNorm = 'post', memory = 'auto' } = options;
  assertChoice('optimizer', optimizer, ['gd', 'muon']);
  assertChoice('weightNorm', weightNorm, ['post', 'pre', 'none']);
  const { newtonSchulzMethod: method = 'standard' } = options;
  assertChoice('newtonSchulzMethod', method, ['standard', 'gram']);
  assertChoice('memory', memory, ['auto', 'store', 'recompute']);
  return {
    weightNorm,
    memory,
    detachNorm: options.detachNorm ?? false,
    method,
    newtonSchulz: optimizer === 'muon' ? flatSchedule(newtonSchulz) : new Float32Array(0),
  };
}

/** The program as native code takes it; its ranges are checked there, before anything runs. */
function flatProgram(program: Program, tokens: number) {
  let outputTokens = 0;
  const flat = new Int32Array(3 * program.length);
  program.forEach(({ kind, start, end }, index) => {
    const name = `program[${index}]`;
    assertChoice(`${name}.kind`, kind, ['update', 'apply']);
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) {
      throw expected('ERR_PROGRAM', 'whole start and end', name, `[${start}, ${end})`);
    }
    if (end <= start) {
      throw expected('ERR_PROGRAM', 'a range of at least one token', name, `[${start}, ${end})`);
    }
    if (start < 0 || end > tokens) {
      throw expected('ERR_RANGE', `a range within [0, ${tokens})`, name, `[${start}, ${end})`);
    }
    flat.set([kind === 'update' ? 0 : 1, start, end], 3 * index);
    if (kind === 'apply') outputTokens += end - start;
  });
  if (outputTokens === 0) {
    throw expected('ERR_PROGRAM', 'at least one apply', 'program', `${program.length} steps`);
  }
  return { program: flat, outputTokens };
}
