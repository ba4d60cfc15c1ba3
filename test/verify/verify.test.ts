import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

import { writeSafetensors } from '../../src/io/safetensors';
import { FastWeightError } from '../../src/native/errors';
import {
  type Implementation,
  referenceImplementation,
  roundedReference,
} from '../../src/reference';
import { loadCase } from '../../src/verify/cases';
import { relativeError } from '../../src/verify/compare';
import { contract } from '../../src/verify/contract';
import { formatLine } from '../../src/verify/format';
import { type CaseReport, judgeBeside, runCase } from '../../src/verify/run_case';
import { verify } from '../../src/verify/verify';

const cases = path.join(__dirname, '../golden/cases');
const golden = (name: string) => loadCase(path.join(cases, `${name}.safetensors`));

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** The reference with Newton-Schulz off by a factor of 1 + 1e-4. */
const slightlyWrong: Implementation = {
  ...referenceImplementation,
  newtonSchulz: (...args) =>
    tf.mul(referenceImplementation.newtonSchulz(...args), 1 + 1e-4) as tf.Tensor3D,
};

test('relativeError is ||a - b|| / ||b||, and ||a|| where b is 0', () => {
  expect(relativeError([3, 4], [3, 3])).toBeCloseTo(1 / Math.sqrt(18), 12);
  expect(relativeError([3, 4], [0, 0])).toBe(5);
  expect(relativeError([0], [0])).toBe(0);
});

test('an error beyond the tolerance fails the case and shows both sides', async () => {
  const report = await runCase(golden('ops/newton_schulz_you5_16x16'), slightlyWrong);
  expect(report.status).toBe('failed');
  expect(report.message).toMatch(/output x: error 1\.0\de-4, 5\d\d% of 0\.00002 FAILED/);
  expect(report.message).toMatch(/actual {3}\[3, 16, 16\] -?\d/);
  expect(report.message).toMatch(/expected \[3, 16, 16\] -?\d/);
  expect(formatLine(report)).toMatch(/^failed +newton_schulz_you5_16x16 +1\.0e-4 of 2\.0e-5 x/);
});

test.each([
  ['NaN', (y: tf.Tensor3D) => tf.mul(y, Number.NaN)],
  ['another shape', (y: tf.Tensor3D) => tf.reshape(y, [1, -1, 16])],
])('a result that is %s fails', async (_name, spoil) => {
  const spoiled: Implementation = {
    ...referenceImplementation,
    fastWeightScan: (...args) => {
      const done = referenceImplementation.fastWeightScan(...args);
      return {
        ...done,
        state: {
          ...done.state,
          mainWeights: {
            ...done.state.mainWeights,
            w0: spoil(done.state.mainWeights.w0) as tf.Tensor3D,
          },
        },
      };
    },
  };
  const report = await runCase(golden('ops/scan_causal_prenorm_muon'), spoiled);
  expect(report.status).toBe('failed');
  expect(report.message).toMatch(/^output raw_w0: error (NaN|Infinity)/);
});

test('a computation that throws is an error of its case alone', async () => {
  const before = tf.memory().numTensors;
  const throwing: Implementation = {
    ...referenceImplementation,
    newtonSchulz: () => {
      throw new Error('no such kernel');
    },
  };
  const report = await runCase(golden('ops/newton_schulz_you5_16x16'), throwing);
  expect(report).toMatchObject({ status: 'error', message: 'no such kernel' });
  expect(tf.memory().numTensors).toBe(before);
});

describe('beside plain evaluations', () => {
  const name = 'ops/scan_causal_muon';
  const rounded = (gridScale: number) =>
    runCase(golden(name), roundedReference({ precision: 'bfloat16', gridScale }));

  test('the worst of them sets the tolerance, 2 times of outputs and 3 times of gradients', async () => {
    const plain = [await rounded(1), await rounded(1.4)];
    const report = judgeBeside(plain, await rounded(1.2));
    expect(report).toMatchObject({ status: 'passed', message: '' });
    report.comparisons.forEach((comparison, at) => {
      const errors = plain.map(({ comparisons }) => comparisons[at].error);
      const factor = comparison.group === 'output' ? 2 : 3;
      expect(comparison.plainError).toBe(Math.max(...errors));
      expect(comparison.tolerance).toBe(factor * Math.max(...errors));
    });
    expect(formatLine(report)).toMatch(/^passed .* of .*, plain \d\.\de-\d w\d .*, plain/);
  });

  test('an error beyond that fails and shows the plain one', async () => {
    const tf32 = await runCase(golden(name), roundedReference({ precision: 'tf32' }));
    const report = judgeBeside([tf32], await rounded(1));
    expect(report.status).toBe('failed');
    expect(report.message).toMatch(/^output output: error .* \(plain evaluations: \S+\) FAILED$/m);
    expect(report.message).toMatch(/^gradient q: error/m);
  });

  test("float32's tolerance is the least", async () => {
    const exact = await runCase(golden(name), referenceImplementation);
    const { comparisons } = judgeBeside([exact], exact);
    const held = comparisons.map(({ group, tolerance }) => [group, tolerance]);
    expect(held).toContainEqual(['output', contract.operationWithMuon.output]);
    expect(judgeBeside([exact], exact).status).toBe('passed');
  });

  test('the median over gradients is held to theirs', async () => {
    const [first, second] = [exactModel(1e-2), exactModel(4e-2)];
    expect(judgeBeside([first], second)).toMatchObject({
      status: 'failed',
      message: expect.stringMatching(/median gradient error 4\.00e-2 over 0\.03/),
    });
  });

  /** A report on a model whose gradients are all this far off. */
  function exactModel(error: number): CaseReport {
    const sample = { shape: [1], first: [1] };
    const gradient = { group: 'gradient', error, tolerance: 1.5e-3 } as const;
    return {
      ...{ name: 'model', kind: 'language_model', status: 'failed', message: '' },
      tolerance: contract.modelWithMuon,
      comparisons: [{ ...gradient, name: 'w0', actual: sample, expected: sample }],
    };
  }

  test('one that does not compute is an error, and so is a report on nothing', async () => {
    const wrong = { ...golden(name), settings: {} };
    const broken = await runCase(wrong, referenceImplementation);
    const whole = await rounded(1);
    expect(judgeBeside([whole, broken], whole)).toMatchObject({
      status: 'error',
      message: expect.stringMatching(/^plain evaluation: Expected/),
    });
    expect(judgeBeside([whole], broken)).toBe(broken);
  });
});

describe('a folder', () => {
  let folder = '';
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'verify-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const add = (name: string) =>
    fs.copyFileSync(
      path.join(cases, `${name}.safetensors`),
      path.join(folder, `${path.basename(name)}.safetensors`),
    );

  const addUnknown = () =>
    writeSafetensors(path.join(folder, 'zodiac.safetensors'), {
      tensors: new Map(),
      metadata: { case: '{"kind":"horoscope"}' },
    });

  test('passes with unsupported kinds listed', async () => {
    add('ops/newton_schulz_you5_16x16');
    addUnknown();
    const seen: string[] = [];
    const { reports, passed, backend } = await verify(folder, referenceImplementation, {
      backend: 'cpu',
      onReport: (report) => seen.push(formatLine(report)),
    });
    expect([passed, backend]).toEqual([true, 'cpu']);
    expect(reports.map(({ status }) => status)).toEqual(['passed', 'unsupported']);
    expect(seen[1]).toMatch(/^unsupported +zodiac +cases of kind 'horoscope' are not supp/);
  });

  test('fails where one case fails', async () => {
    add('ops/newton_schulz_you5_16x16');
    expect((await verify(folder, slightlyWrong)).passed).toBe(false);
  });

  test('with nothing computed has not passed', async () => {
    addUnknown();
    expect((await verify(folder, referenceImplementation)).passed).toBe(false);
  });

  test.each([
    ['no metadata', {}, 'none'],
    ['metadata that is not JSON', { case: '{' }, "'{'"],
    ['no kind', { case: '{}' }, "'{}'"],
  ])('with %s is refused', async (_name, metadata, got) => {
    writeSafetensors(path.join(folder, 'bad.safetensors'), { tensors: new Map(), metadata });
    const run = verify(folder, referenceImplementation);
    await expect(run).rejects.toThrow(FastWeightError);
    await expect(run).rejects.toThrow(`bad.safetensors but got ${got}`);
  });

  test('with a case that lacks tensors reports which', async () => {
    const metadata = { case: '{"kind":"newton_schulz","newton_schulz":"you5","epsilon":1e-7}' };
    writeSafetensors(path.join(folder, 'bad.safetensors'), { tensors: new Map(), metadata });
    const { reports } = await verify(folder, referenceImplementation);
    expect(reports[0]).toMatchObject({ status: 'error' });
    expect(reports[0].message).toBe("Expected a tensor 'in.g' for case bad but got none");
  });

  test('that is empty, that does not exist, or a backend that is not registered', async () => {
    await expect(verify(folder, referenceImplementation)).rejects.toThrow(/with none/);
    const missing = path.join(folder, 'missing');
    await expect(verify(missing, referenceImplementation)).rejects.toThrow(/not a folder/);
    add('ops/newton_schulz_you5_16x16');
    const options = { backend: 'abacus' };
    await expect(verify(folder, referenceImplementation, options)).rejects.toThrow(
      /Expected a registered backend \(cpu.*\) for backend but got 'abacus'/,
    );
  });
});
