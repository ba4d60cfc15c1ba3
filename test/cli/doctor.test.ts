import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type DoctorReport, describe as describeReport, isWell } from '../../src/cli/doctor';

const main = path.join(__dirname, '..', '..', 'dist', 'cli', 'main.js');

function doctor(args: string[], environment: Record<string, string> = {}) {
  const env = {
    ...process.env,
    FASTWEIGHT_DEVICE: '',
    FASTWEIGHT_CUDA_LIBRARY: '/nowhere/libfastweight_cuda.so',
  };
  return spawnSync(process.execPath, [main, 'doctor', ...args], {
    encoding: 'utf8',
    env: { ...env, ...environment },
  });
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fastweight-doctor-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('a machine with a CPU is well', () => {
  const { status, stdout } = doctor([]);
  expect(stdout).toMatch(/^fastweight {2,}\d+\.\d+\.\d+$/m);
  expect(stdout).toMatch(/^runs {2,}\w+ code \(could: portable/m);
  expect(stdout).toMatch(/^threads {2,}\d+$/m);
  expect(stdout).toMatch(/^cuda .*but got no such file$/m);
  expect(stdout).toContain('FASTWEIGHT_CUDA=1 npm rebuild fastweight');
  expect(stdout).toMatch(/^picks {2,}fastweight-cpu$/m);
  expect(status).toBe(0);
});

test('--json gives the same to programs', () => {
  const { status, stdout } = doctor(['--json']);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({
    node: expect.stringContaining(process.version),
    chosen: { kind: 'auto', index: 0 },
    addon: { works: true, threads: expect.any(Number) },
    cuda: { processors: [], reason: expect.stringContaining('/nowhere/') },
    well: true,
  });
  expect(status).toBe(0);
});

test('a GPU that is asked for and does not work fails', () => {
  expect(doctor([], { FASTWEIGHT_DEVICE: 'cuda' }).status).toBe(1);
  const { status, stderr } = doctor([], { FASTWEIGHT_DEVICE: 'tpu' });
  expect(stderr).toContain("FASTWEIGHT_DEVICE but got 'tpu'");
  expect(status).toBe(1);
});

test('a library that is none is a reason', () => {
  const file = path.join(folder, 'libfastweight_cuda.so');
  writeFileSync(file, 'not a library');
  const { status, stdout } = doctor([], { FASTWEIGHT_CUDA_LIBRARY: file });
  expect(stdout).toMatch(/^cuda .*a device library that loads for .*(file too short|invalid ELF)/m);
  expect(status).toBe(0);
});

test('an addon that does not load is a reason with a remedy', () => {
  const file = path.join(folder, 'fastweight.node');
  writeFileSync(file, 'not an addon');
  chmodSync(file, 0o755);
  const { status, stdout } = doctor([], { FASTWEIGHT_ADDON: file });
  expect(stdout).toMatch(/^addon {2,}Expected a native addon/m);
  expect(stdout).toContain('Unset FASTWEIGHT_ADDON');
  expect(status).toBe(1);
});

test('an unknown option is a usage error', () => {
  expect(doctor(['--verbose']).status).toBe(2);
});

describe('on a machine with GPUs', () => {
  const gpu = {
    name: 'GPU A',
    computeCapability: '9.0',
    memoryBytes: 2 ** 37,
    multiprocessors: 132,
  };
  const report: DoctorReport = {
    version: '0.1.0',
    node: 'v20',
    system: 'Linux',
    cpu: 'CPU',
    cores: 8,
    memoryBytes: 2 ** 35,
    chosen: { kind: 'cuda', index: 1 },
    addon: {
      works: true,
      addon: 'a.node',
      instructionSet: 'avx2',
      available: ['avx2'],
      threads: 8,
    },
    cuda: {
      productsReason: '',
      library: 'lib.so',
      reason: '',
      remedy: '',
      processors: [gpu, { ...gpu, name: 'GPU B' }],
      driver: '13.0',
      runtime: '13.0',
      matrixLibrary: '13.1.1',
    },
  };

  test('each is listed and the chosen one is picked', () => {
    const text = describeReport(report).join('\n');
    expect(text).toMatch(
      /^GPU 1 +GPU B, compute capability 9\.0, 132 multiprocessors, 128\.0 GiB$/m,
    );
    expect(text).toMatch(/^picks +fastweight-cuda on GPU 1, as FASTWEIGHT_DEVICE says$/m);
    expect(isWell(report)).toBe(true);
  });

  test('one that is not there is not well', () => {
    expect(isWell({ ...report, chosen: { kind: 'cuda', index: 2 } })).toBe(false);
  });
});
