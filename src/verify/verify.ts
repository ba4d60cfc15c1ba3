import * as tf from '@tensorflow/tfjs-core';

import { expected } from '../native/errors';
import type { Implementation } from '../reference';
import { findCases, loadCase } from './cases';
import { type CaseReport, runCase } from './run_case';

export interface VerifyOptions {
  /** Name of a registered tfjs backend; default the current one. */
  backend?: string;
  /** Called as each case ends. */
  onReport?: (report: CaseReport) => void;
}

export interface VerifyReport {
  backend: string;
  reports: CaseReport[];
  /** Whether a case was computed and none of those that were failed. */
  passed: boolean;
}

/** Makes `name` the current backend. */
async function useBackend(name: string): Promise<void> {
  const registered = tf.engine().registryFactory;
  if (!Object.hasOwn(registered, name)) {
    const names = Object.keys(registered).join(', ') || 'none';
    throw expected('ERR_ARGUMENT', `a registered backend (${names})`, 'backend', `'${name}'`);
  }
  if (!(await tf.setBackend(name))) {
    throw expected('ERR_DEVICE_UNAVAILABLE', 'a backend that starts', 'backend', `'${name}'`);
  }
}

/**
 * Runs every golden case of a folder on an implementation and a backend. Cases of a kind that has no
 * runner are reported as unsupported and do not fail the run.
 *
 * @throws FastWeightError for a bad folder, file or backend, before the first case runs.
 */
export async function verify(
  folder: string,
  implementation: Implementation,
  { backend, onReport }: VerifyOptions = {},
): Promise<VerifyReport> {
  const cases = findCases(folder).map(loadCase);
  if (backend !== undefined) await useBackend(backend);
  const reports: CaseReport[] = [];
  for (const golden of cases) {
    const report = await runCase(golden, implementation);
    reports.push(report);
    onReport?.(report);
  }
  const computed = reports.filter(({ status }) => status !== 'unsupported');
  const passed = computed.length > 0 && computed.every(({ status }) => status === 'passed');
  return { backend: tf.getBackend(), reports, passed };
}
