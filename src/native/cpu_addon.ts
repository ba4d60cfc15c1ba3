/** Instruction sets that the CPU's kernels are compiled for. */
export type InstructionSet = 'portable' | 'neon' | 'avx2' | 'avx512';

/** How the CPU device runs (native/binding/cpu.cc); all of it holds for the whole process. */
export interface CpuAddon {
  numThreads(): number;
  setNumThreads(count: number): void;
  /** What kernels run with, and what they could run with on this machine, slowest first. */
  instructionSets(): { inUse: InstructionSet; available: InstructionSet[] };
}
