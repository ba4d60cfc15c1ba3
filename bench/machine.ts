import os from 'node:os';
import { instructionSets } from '../src/native/cpu';
import { packageVersion } from './repository';

/** Where and when a run took place. */
export interface Machine {
  cpu: string;
  /** The GPU that was measured, where it was one. */
  gpu?: string;
  cores: number;
  /** What our kernels run with: 'avx512', ... */
  instructionSet: string;
  memoryBytes: number;
  platform: string;
  node: string;
  fastweight: string;
  threads: number;
  date: string;
}

export function describeMachine(threads: number): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: os.availableParallelism(),
    instructionSet: instructionSets().inUse,
    memoryBytes: os.totalmem(),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    fastweight: packageVersion(),
    threads,
    date: new Date().toISOString(),
  };
}
