import * as tf from '@tensorflow/tfjs-core';

import type { HostTensor } from '../io/safetensors';
import type { Implementation } from '../reference';
import type { GoldenCase } from './cases';
import { type Comparison, type Computed, compare, describeComparison, holds } from './compare';
import type { Tolerance } from './contract';
import { type CaseRunner, runners } from './runners';

/** What one case gave. */
export interface CaseReport {
  name: string;
  kind: string;
  /** 'unsupported': no runner knows the case's kind. 'error': the computation threw. */
  status: 'passed' | 'failed' | 'unsupported' | 'error';
  tolerance?: Tolerance;
  comparisons: Comparison[];
  /** The median gradient error, where the contract bounds it. */
  medianGradient?: number;
  /** Why the case did not pass; empty where it did. */
  message: string;
}

/** Reads device tensors by name and disposes them. */
async function readAll(tensors: Record<string, tf.Tensor>): Promise<Map<string, Computed>> {
  const values = new Map<string, Computed>();
  try {
    for (const [name, tensor] of Object.entries(tensors)) {
      values.set(name, { shape: tensor.shape, data: await tensor.data() });
    }
  } finally {
    tf.dispose(tensors);
  }
  return values;
}

/** Compares each golden result with the computed one of its name. */
function compareAll(
  group: Comparison['group'],
  golden: Record<string, HostTensor>,
  computed: Map<string, Computed>,
  tolerance: number,
): Comparison[] {
  return Object.entries(golden).map(([name, tensor]) =>
    compare(group, name, computed.get(name), tensor, tolerance),
  );
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function judge(report: CaseReport, tolerance: Tolerance): CaseReport {
  const faults = report.comparisons.filter((comparison) => !holds(comparison));
  const messages = faults.map(describeComparison);
  const { medianGradient: bound } = tolerance;
  let medianGradient: number | undefined;
  if (bound !== undefined) {
    const gradients = report.comparisons.filter(({ group }) => group === 'gradient');
    medianGradient = median(gradients.map(({ error }) => error));
    if (!(medianGradient <= bound)) {
      messages.push(`median gradient error ${medianGradient.toExponential(2)} over ${bound}`);
    }
  }
  const status = messages.length === 0 ? 'passed' : 'failed';
  return { ...report, status, tolerance, medianGradient, message: messages.join('\n') };
}

async function compute(
  golden: GoldenCase,
  run: CaseRunner,
  implementation: Implementation,
): Promise<Omit<CaseReport, 'status' | 'message'> & { tolerance: Tolerance }> {
  const { tolerance, outputs, gradients, results } = run(golden, implementation);
  const computedOutputs = await readAll(results.outputs);
  const computedGradients = await readAll(results.gradients);
  const comparisons = [
    ...compareAll('output', outputs, computedOutputs, tolerance.output),
    ...compareAll('gradient', gradients, computedGradients, tolerance.gradient),
  ];
  return { name: golden.name, kind: golden.kind, tolerance, comparisons };
}

/**
 * Runs one golden case on an implementation, on the current tfjs backend, and compares every output
 * and gradient that the file holds. Nothing is thrown for a case that fails: the report says why.
 */
export async function runCase(
  golden: GoldenCase,
  implementation: Implementation,
): Promise<CaseReport> {
  const { name, kind } = golden;
  const empty = { name, kind, comparisons: [] };
  if (!Object.hasOwn(runners, kind)) {
    return {
      ...empty,
      status: 'unsupported',
      message: `cases of kind '${kind}' are not supported yet`,
    };
  }
  try {
    const computed = await compute(golden, runners[kind], implementation);
    return judge({ ...computed, status: 'passed', message: '' }, computed.tolerance);
  } catch (error) {
    return { ...empty, status: 'error', message: (error as Error).message };
  }
}
