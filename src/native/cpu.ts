import { loadAddon } from './addon';
import type { InstructionSet } from './cpu_addon';
import { expected } from './errors';

const mostThreads = 1024;

/**
 * Threads that share the work of one operation, the caller's own included. It starts as the
 * environment variable FASTWEIGHT_NUM_THREADS, else as the number of cores.
 *
 * @throws FastWeightError ERR_ADDON_LOAD
 */
export function numThreads(): number {
  return loadAddon().numThreads();
}

/**
 * Changes {@link numThreads} for the whole process, worker threads included. Results do not depend
 * on it, bit for bit.
 *
 * @param count from 1 to 1024
 * @throws FastWeightError ERR_ARGUMENT, ERR_RANGE, ERR_ADDON_LOAD
 */
export function setNumThreads(count: number): void {
  const expectation = `a whole number from 1 to ${mostThreads}`;
  if (typeof count !== 'number') {
    throw expected('ERR_ARGUMENT', expectation, 'count', `'${String(count)}'`);
  }
  if (!Number.isSafeInteger(count) || count < 1 || count > mostThreads) {
    throw expected('ERR_RANGE', expectation, 'count', String(count));
  }
  loadAddon().setNumThreads(count);
}

/**
 * The instruction set that the CPU's kernels run with, and all they could run with here, slowest
 * first. The environment variable FASTWEIGHT_ISA chooses another than the fastest.
 *
 * @throws FastWeightError ERR_ADDON_LOAD
 */
export function instructionSets(): { inUse: InstructionSet; available: InstructionSet[] } {
  return loadAddon().instructionSets();
}
