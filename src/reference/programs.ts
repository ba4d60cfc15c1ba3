import type { ProgramStep } from '../ops/programs';

/**
 * Shifted block-causal program of the language model: each chunk is read with the weights that the
 * chunks before it wrote, then written; the last chunk is only read.
 */
export function shiftedCausalProgram(tokens: number, chunk: number): ProgramStep[] {
  const program: ProgramStep[] = [];
  let start = 0;
  for (; start + chunk < tokens; start += chunk) {
    const end = start + chunk;
    program.push({ kind: 'apply', start, end }, { kind: 'update', start, end });
  }
  program.push({ kind: 'apply', start, end: tokens });
  return program;
}
