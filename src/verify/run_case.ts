import * as tf from '@tensorflow/tfjs-core';

import type { HostTensor } from '../io/safetensors';
import type { Implementation } from '../reference';
import type { GoldenCase } from './cases';
import { type Comparison, type Computed, compare, describeComparison, holds } from './compare';
import { reducedContract, type Tolerance } from './contract';
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

function medianGradientOf({ comparisons }: Pick<CaseReport, 'comparisons'>): number {
  const gradients = comparisons.filter(({ group }) => group === 'gradient');
  return median(gradients.map(({ error }) => error));
}

function judge(report: CaseReport, tolerance: Tolerance): CaseReport {
  const faults = report.comparisons.filter((comparison) => !holds(comparison));
  const messages = faults.map(describeComparison);
  const { medianGradient: bound } = tolerance;
  let medianGradient: number | undefined;
  if (bound !== undefined) {
    medianGradient = medianGradientOf(report);
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

/**
 * A case's report judged by the contract of reduced precision: each error beside the worst that plain
 * evaluations of the same case make of that result.
 *
 * @param plain reports on the same case, of at least one evaluation
 */
export function judgeBeside(plain: readonly CaseReport[], report: CaseReport): CaseReport {
  if (report.tolerance === undefined) return report;
  const fault = plain.find(({ tolerance }) => tolerance === undefined);
  if (fault !== undefined) {
    return { ...report, status: 'error', message: `plain evaluation: ${fault.message}` };
  }
  const comparisons = report.comparisons.map((comparison, at) => {
    const plainError = Math.max(...plain.map((each) => each.comparisons[at].error));
    const allowed = reducedContract[comparison.group] * plainError;
    return { ...comparison, plainError, tolerance: Math.max(allowed, comparison.tolerance) };
  });
  const tolerance: Tolerance = { ...report.tolerance };
  if (tolerance.medianGradient !== undefined) {
    const allowed = reducedContract.gradient * Math.max(...plain.map(medianGradientOf));
    tolerance.medianGradient = Math.max(allowed, tolerance.medianGradient);
  }
  return judge({ ...report, comparisons }, tolerance);
}
