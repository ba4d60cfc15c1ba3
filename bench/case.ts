import type { MatmulPrecision } from '../src/backend/matmul_precision';
import type { HostTensor } from '../src/io/safetensors';
import type { Task } from './task';

export type Tensors = Map<string, HostTensor>;

/** Sizes of a case by name, as `--shape` takes them. */
export type Shape = Readonly<Record<string, number>>;

/** Greatest relative errors ||a - b|| / ||b|| between contenders. */
export interface Tolerance {
  readonly outputs: number;
  readonly gradients: number;
}

/** One thing to measure. */
export interface Case {
  readonly suite: string;
  readonly name: string;
  readonly shape: Shape;
  readonly task: Task;
  /** Floating-point operations of the algorithm, each product counted once; see flops.ts. */
  readonly flops: number;
  /** Bytes of inputs and results, each counted once; set where memory may be the limit. */
  readonly bytes?: number;
  /** What products may round their operands to; default float32. */
  readonly precision?: MatmulPrecision;
  readonly tolerance: Tolerance;
  /** The same values for every contender and at every call. */
  inputs(): Tensors;
}

/** A family of cases, as `--suite` names it. */
export interface Suite {
  readonly name: string;
  readonly shapes: readonly Shape[];
  /** A small shape for `--quick`. */
  readonly quick: readonly Shape[];
  /** The cases of one shape, such as forward, and forward with backward. */
  cases(shape: Shape): Case[];
}
