import * as tf from '@tensorflow/tfjs-core';

import { FastWeightBackend } from '../backend/fastweight_backend';
import {
  type MatmulPrecision,
  matmulPrecision,
  setMatmulPrecision,
} from '../backend/matmul_precision';
import { matmulPrecisions } from '../native/device_addon';
import { expected } from '../native/errors';
import { type Implementation, roundedReference } from '../reference';
import { findCases, type GoldenCase, loadCase } from './cases';
import { plainGridScales } from './contract';
import { type CaseReport, judgeBeside, runCase } from './run_case';

export interface VerifyOptions {
  /** Name of a registered tfjs backend; default the current one. */
  backend?: string;
  /**
   * What the device's matrix products round their operands to. Below 'float32', errors are held to
   * those of the reference with operands rounded so, on tfjs's own backend 'cpu'. Default 'float32'.
   */
  precision?: MatmulPrecision;
  /** Called as each case ends. */
  onReport?: (report: CaseReport) => void;
}

export interface VerifyReport {
  backend: string;
  precision: MatmulPrecision;
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

/** The backend that plain evaluations of reduced precision run on. */
const plainBackend = 'cpu';

/**
 * Lets the current backend's products round to `precision` while `body` runs.
 *
 * @throws FastWeightError ERR_ARGUMENT for a backend that computes in float32 alone
 */
async function inPrecision<Result>(
  precision: MatmulPrecision,
  body: () => Promise<Result>,
): Promise<Result> {
  const backend = tf.backend();
  if (!(backend instanceof FastWeightBackend)) {
    throw expected(
      'ERR_ARGUMENT',
      "'float32'",
      `precision on the tfjs backend '${tf.getBackend()}'`,
      `'${precision}'`,
    );
  }
  backend.addon.setMatmulPrecision(matmulPrecisions[precision]); // the CPU's throws
  const before = matmulPrecision();
  setMatmulPrecision(precision);
  try {
    return await body();
  } finally {
    setMatmulPrecision(before);
  }
}

/** One case on `backend` in reduced precision, judged beside plain evaluations of it. */
async function runReduced(
  golden: GoldenCase,
  implementation: Implementation,
  { backend, precision }: { backend: string; precision: MatmulPrecision },
): Promise<CaseReport> {
  await useBackend(backend);
  const report = await inPrecision(precision, () => runCase(golden, implementation));
  await useBackend(plainBackend);
  const plain: CaseReport[] = [];
  for (const gridScale of plainGridScales) {
    plain.push(await runCase(golden, roundedReference({ precision, gridScale })));
  }
  return judgeBeside(plain, report);
}

/**
 * Runs every golden case of a folder on an implementation and a backend. Cases of a kind that has no
 * runner are reported as unsupported and do not fail the run.
 *
 * @throws FastWeightError for a bad folder, file or backend, or a precision that the backend lacks,
 *   before the first case runs.
 */
export async function verify(
  folder: string,
  implementation: Implementation,
  { backend = tf.getBackend(), precision = 'float32', onReport }: VerifyOptions = {},
): Promise<VerifyReport> {
  const cases = findCases(folder).map(loadCase);
  await useBackend(backend);
  const reduced = precision !== 'float32';
  if (reduced) await inPrecision(precision, async () => undefined);
  const reports: CaseReport[] = [];
  for (const golden of cases) {
    const report = reduced
      ? await runReduced(golden, implementation, { backend, precision })
      : await runCase(golden, implementation);
    reports.push(report);
    onReport?.(report);
  }
  await useBackend(backend);
  const computed = reports.filter(({ status }) => status !== 'unsupported');
  const passed = computed.length > 0 && computed.every(({ status }) => status === 'passed');
  return { backend, precision, reports, passed };
}
