import { clone, engine, type Tensor, type Tensor3D, zerosLike } from '@tensorflow/tfjs-core';
import {
  namesOf,
  type ScanAttrs,
  type ScanTensors,
  type StateName,
  type StateSet,
  scanKernel,
} from '../kernels/fast_weights/names';
import { runByPosition } from '../kernels/run_by_position';
import { expected } from '../native/errors';
import { type ScanMemory, scanMemories } from '../native/fast_weight_addon';
import {
  assertWeights,
  FastWeightState,
  type FastWeightStateParts,
  type FastWeights,
  mapSet,
  stateOf,
} from './fast_weight_state';
import type { NewtonSchulzMethod } from './newton_schulz';
import { flatSchedule, type NewtonSchulzSchedule } from './newton_schulz_schedule';
import type { Program } from './programs';
import { assertBackend, assertChoice, assertTensor } from './validate';

/** Token inputs of a scan. A row is one head of one batch element. */
export interface FastWeightInputs {
  /** [rows, tokens, keyDim]; may be left out where the program has no apply */
  q?: Tensor3D;
  /** [rows, tokens, keyDim]; k, v and rates may be left out where the program has no update */
  k?: Tensor3D;
  /** [rows, tokens, valueDim] */
  v?: Tensor3D;
  /** [rows, tokens, 3]: the step sizes of w0, w1 and w2 */
  rates?: Tensor3D;
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
   * 'activations' all but Muon's iterates, which take most of the room; 'recompute' only the weights
   * before each update, so that memory grows with updates and not with tokens. 'auto' (default)
   * takes the first of these that needs at most 1/32 of the machine's memory (on a GPU 1/4 of its).
   */
  memory?: ScanMemory;
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
 * every tensor it is given, a state's included, through `output` and every tensor of `state`.
 *
 * @param inputs shapes at {@link FastWeightInputs}
 * @param weights the initial weights, shapes at {@link FastWeights}, or the state of an earlier
 * scan, which stays as it is: then a sequence split over several scans gives what one scan gives
 * @param program made by {@link programs} or by hand; ranges may overlap, repeat and leave gaps;
 * without an apply the output has no tokens and the state is the result
 * @returns new tensors, the caller's to dispose
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT (also for a state of
 * another weightNorm, or one with momenta where an update has no momentum), ERR_PROGRAM (no step, an
 * empty or reversed range), ERR_RANGE (a range outside the tokens), ERR_NON_FINITE (step sizes or
 * momentum that are not finite, or weights that became so), ERR_OUT_OF_MEMORY,
 * ERR_DEVICE_UNAVAILABLE on a backend that is not ours
 */
export function fastWeightScan(
  inputs: FastWeightInputs,
  weights: FastWeights | FastWeightStateParts,
  program: Program,
  options: FastWeightScanOptions = {},
): FastWeightScanResult {
  const call = checkedCall(inputs, weights, program, options);
  const { state, hasUpdate } = call;
  if (!hasUpdate) {
    const [output] = runScan(call, []);
    const same = state.fork();
    if (same.momenta || !inputs.momentum) return { output: output as Tensor3D, state: same };
    const { weights, mainWeights, norms, weightNorm, pending } = same;
    const momenta = mapSet(weights, zerosLike);
    const parts = { weights, mainWeights, momenta, norms, weightNorm, pending };
    return { output: output as Tensor3D, state: new FastWeightState(parts) };
  }
  // Norms stay, so a scan returns them only where it is the first.
  const sets = call.sets.filter((set) => set !== 'norms' || !state.norms);
  const [output, ...tensors] = runScan(call, sets.flatMap(namesOf));
  const parts = Object.fromEntries(
    sets.map((set, at) => {
      const [w0, w1, w2] = tensors.slice(3 * at);
      return [set, { w0, w1, w2 }];
    }),
  ) as unknown as FastWeightStateParts;
  const norms = state.norms ? mapSet(state.norms, clone) : parts.norms;
  const { weightNorm } = call.attrs;
  return {
    output: output as Tensor3D,
    state: new FastWeightState({ ...parts, norms, weightNorm }),
  };
}

/**
 * As {@link fastWeightScan} for who needs the output alone, which saves the state's memory.
 *
 * @returns [rows, tokens of all applies, valueDim]
 */
export function fastWeightScanOutput(
  inputs: FastWeightInputs,
  weights: FastWeights | FastWeightStateParts,
  program: Program,
  options: FastWeightScanOptions = {},
): Tensor3D {
  return runScan(checkedCall(inputs, weights, program, options), [])[0] as Tensor3D;
}

/** A scan's arguments, checked. */
interface ScanCall {
  tensors: ScanTensors<Tensor>;
  /** What the scan starts from. */
  state: FastWeightState;
  hasUpdate: boolean;
  /** The sets that the program changes or needs. */
  sets: StateSet[];
  attrs: Omit<ScanAttrs, 'inputs' | 'returned' | 'keepTape'>;
}

function checkedCall(
  inputs: FastWeightInputs,
  weights: FastWeights | FastWeightStateParts,
  program: Program,
  options: FastWeightScanOptions,
): ScanCall {
  assertBackend('fastWeightScan');
  const state = stateOf(weights);
  assertWeights(state.weights);
  const hasUpdate = program.some(({ kind }) => kind === 'update');
  const tokens = checkedTokens(inputs, state.weights, program, hasUpdate);
  const attrs = { ...attributesOf(options), tokens, ...flatProgram(program, tokens) };
  if (hasUpdate) {
    assertContinues(state, attrs.weightNorm, inputs.momentum !== undefined);
    assertNothingPending(state);
  }
  const sets: StateSet[] = ['weights'];
  if (hasUpdate && attrs.weightNorm === 'pre') sets.push('mainWeights');
  if (hasUpdate && inputs.momentum) sets.push('momenta');
  if (hasUpdate && attrs.weightNorm !== 'none') sets.push('norms');
  return { tensors: { ...inputs, ...tensorsOf(state, sets) }, state, hasUpdate, sets, attrs };
}

/** The kernel's outputs without the tape. */
function runScan({ tensors, attrs }: ScanCall, returned: StateName[]): Tensor[] {
  const given = Object.entries(tensors).filter(([, tensor]) => tensor !== undefined);
  const [output, tape, ...state] = runByPosition(
    scanKernel,
    given.map(([, tensor]) => tensor),
    {
      ...attrs,
      inputs: given.map(([name]) => name) as ScanAttrs['inputs'],
      returned,
      keepTape: engine().state.gradientDepth > 0,
    },
  );
  // The graph holds the tape for as long as a backward may need it.
  tape.dispose();
  return [output, ...state];
}

/** Those of a state's sets that it has, under the names that the kernel has for their tensors. */
function tensorsOf(state: FastWeightState, sets: StateSet[]): ScanTensors<Tensor> {
  const entries = sets.flatMap((set) => {
    const tensors = state[set];
    if (!tensors || (set === 'mainWeights' && tensors === state.weights)) return [];
    const { w0, w1, w2 } = tensors;
    return namesOf(set).map((name, at) => [name, [w0, w1, w2][at]]);
  });
  return Object.fromEntries(entries);
}

function assertNothingPending({ pending }: FastWeightState): void {
  if (!pending?.counts.some((count) => count > 0)) return;
  const remedy = 'Go on with fastWeightAdvance';
  throw expected('ERR_ARGUMENT', 'a state without pending tokens', 'weights', 'some', remedy);
}

/** Throws ERR_ARGUMENT unless an update with these settings can go on from `state`. */
export function assertContinues(
  state: FastWeightState,
  weightNorm: ScanAttrs['weightNorm'],
  hasMomentum: boolean,
): void {
  if (state.weightNorm !== undefined && state.weightNorm !== weightNorm) {
    const expectation = `the state's '${state.weightNorm}'`;
    throw expected('ERR_ARGUMENT', expectation, 'weightNorm', `'${weightNorm}'`);
  }
  if (state.momenta && !hasMomentum) {
    const remedy = "Coefficients of zero leave the state's momenta out";
    throw expected('ERR_ARGUMENT', 'a tensor', 'momentum', 'undefined', remedy);
  }
}

/** Checks the token inputs against the weights and returns their number of tokens. */
function checkedTokens(
  { q, k, v, rates, momentum }: FastWeightInputs,
  { w0, w1 }: FastWeights,
  program: Program,
  hasUpdate: boolean,
): number {
  const [rows, , keyDim] = w0.shape;
  const valueDim = w1.shape[1];
  let tokens: number | string = 'tokens';
  const check = (name: string, tensor: Tensor | undefined, width: number, needed: boolean) => {
    if (tensor === undefined && !needed) return;
    assertTensor(name, tensor as Tensor, [rows, tokens, width]);
    tokens = (tensor as Tensor).shape[1] as number;
  };
  const hasApply = program.some(({ kind }) => kind === 'apply');
  check('q', q, keyDim, hasApply);
  check('k', k, keyDim, hasUpdate);
  check('v', v, valueDim, hasUpdate);
  check('rates', rates, 3, hasUpdate);
  check('momentum', momentum, 1, false);
  return typeof tokens === 'number' ? tokens : 0;
}

/** Checks the options and gives the attributes that they stand for. */
export function attributesOf(options: FastWeightScanOptions) {
  const { optimizer = 'gd', newtonSchulz = 'you5', weightNorm = 'post', memory = 'auto' } = options;
  assertChoice('optimizer', optimizer, ['gd', 'muon']);
  assertChoice('weightNorm', weightNorm, ['post', 'pre', 'none']);
  const { newtonSchulzMethod: method = 'standard' } = options;
  assertChoice('newtonSchulzMethod', method, ['standard', 'gram']);
  assertChoice('memory', memory, scanMemories);
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
  if (program.length === 0) {
    throw expected('ERR_PROGRAM', 'at least one step', 'program', 'none');
  }
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
  return { program: flat, outputTokens };
}
