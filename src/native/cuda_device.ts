// The CUDA device: where its library is, whether it works here, which GPU to use.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadAddon } from './addon';
import type { DeviceAddon, LibraryDescription } from './device_addon';
import { expected, FastWeightError } from './errors';
import { loadedAddonFile, packageRoot } from './loader';

/** What is known of the CUDA device on this machine. */
export interface CudaReport extends LibraryDescription {
  /** The library's file. */
  library: string;
  /** What to do where there is a reason; '' where nothing helps. */
  remedy: string;
  /** Why cuBLAS multiplies where kernels of ours would; '' where they are right on this GPU. */
  productsReason: string;
}

const probeMilliseconds = 60_000;

/**
 * Runs in a process of its own, so that what a broken driver does ends that one: describes the
 * library, squares three numbers on the first GPU, and checks our products there.
 */
const probeScript = `
  const [addonFile, library] = process.argv.slice(1);
  const addon = require(addonFile);
  const report = { ...addon.describeDeviceLibrary(library), productsReason: '' };
  try {
    if (report.reason === '') {
      const device = addon.openLibraryDevice(library, 0);
      const x = device.allocate(12);
      device.write(x, new Float32Array([1, 2, 3]));
      const y = new Float32Array(3);
      device.read(device.unary(device.unaryCodes.Square, x, 3, 0, 0), y);
      if (y.join() !== '1,4,9') report.reason = 'Expected 1,4,9 from the GPU but got ' + y.join();
      try {
        addon.checkDeviceProducts(library, 0);
      } catch (error) {
        report.productsReason = error.message;
      }
    }
  } catch (error) {
    report.reason = error.message;
  }
  console.log(JSON.stringify(report));
`;

/** The library's file: FASTWEIGHT_CUDA_LIBRARY, else the one beside the addon. */
export function cudaLibraryFile(): string {
  const override = process.env.FASTWEIGHT_CUDA_LIBRARY;
  if (override) return path.resolve(override);
  return path.join(packageRoot, 'build', 'Release', 'libfastweight_cuda.so');
}

/** Whether the library was built, or is named by FASTWEIGHT_CUDA_LIBRARY; it may still not work. */
export function hasCudaLibrary(): boolean {
  return Boolean(process.env.FASTWEIGHT_CUDA_LIBRARY) || existsSync(cudaLibraryFile());
}

let report: CudaReport | undefined;

/**
 * Whether and why the CUDA device works here. The first call of a process asks a child process,
 * which takes as long as starting CUDA does.
 *
 * @throws FastWeightError ERR_ADDON_LOAD
 */
export function cudaReport(): CudaReport {
  if (report === undefined) {
    report = probe(cudaLibraryFile());
    if (report.productsReason !== '') process.env[productsVariable] = 'cublas';
  }
  return report;
}

/** Read by the device: 'cublas' lets cuBLAS multiply where kernels of ours would. */
const productsVariable = 'FASTWEIGHT_CUDA_PRODUCTS';

function probe(library: string): CudaReport {
  const none = { processors: [], driver: '', runtime: '', matrixLibrary: '', productsReason: '' };
  if (!existsSync(library)) {
    const reason = `Expected the CUDA device library at ${library} but got no such file`;
    return { ...none, library, reason, remedy: buildRemedy };
  }
  loadAddon();
  let child = runProbe(library);
  let stopped = '';
  if (child.status !== 0 && process.env[productsVariable] !== 'cublas') {
    // It may be our products that did not come to an end.
    stopped = `Expected products that come to an end but got ${child.signal ?? `exit code ${child.status}`}`;
    child = runProbe(library, { [productsVariable]: 'cublas' });
  }
  const described = parse(child.stdout);
  if (child.status === 0 && described !== undefined) {
    const productsReason = stopped || described.productsReason;
    return { ...described, library, productsReason, remedy: remedyOf(described.reason) };
  }
  const how = child.signal ?? `exit code ${child.status}`;
  const said = child.stderr?.trim().split('\n').pop() ?? '';
  const reason = `Expected a CUDA device that starts but got ${how}${said ? `: ${said}` : ''}`;
  return { ...none, library, reason, remedy: driverRemedy };
}

function runProbe(library: string, environment: Record<string, string> = {}) {
  return spawnSync(process.execPath, ['-e', probeScript, '--', loadedAddonFile(), library], {
    encoding: 'utf8',
    timeout: probeMilliseconds,
    env: { ...process.env, NODE_OPTIONS: '', ...environment },
  });
}

function parse(
  text: string | undefined,
): (LibraryDescription & { productsReason: string }) | undefined {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

const buildRemedy =
  'Build it where nvcc and the cuBLAS headers are: FASTWEIGHT_CUDA=1 npm rebuild fastweight';
const driverRemedy = 'Check the driver with nvidia-smi; reinstall it where that fails, too';

/** Remedies by what the reason says, most telling first. */
const remedies: readonly { pattern: RegExp; remedy: string }[] = [
  { pattern: /another build/, remedy: 'Build both anew: FASTWEIGHT_CUDA=1 npm rebuild fastweight' },
  { pattern: /not built with CMake/, remedy: `Install CMake. ${buildRemedy}` },
  {
    pattern: /cublas/i,
    remedy:
      'Install cuBLAS 13 (the package libcublas, or: pip install nvidia-cublas) and set ' +
      'FASTWEIGHT_CUBLAS_LIBRARY to its libcublasLt.so where the system does not find it',
  },
  {
    pattern: /insufficient|driver version/i,
    remedy: 'Install a driver that serves CUDA 13.0 (580 or newer)',
  },
  {
    pattern: /no CUDA-capable device|no GPU/i,
    remedy: 'Needs an NVIDIA GPU; CUDA_VISIBLE_DEVICES may hide it',
  },
  { pattern: /kernel image/i, remedy: 'Needs a GPU of compute capability 8.0 or newer' },
];

function remedyOf(reason: string): string {
  if (reason === '') return '';
  return remedies.find(({ pattern }) => pattern.test(reason))?.remedy ?? driverRemedy;
}

/**
 * Opens the CUDA device on GPU `index`.
 *
 * @throws FastWeightError ERR_DEVICE_UNAVAILABLE with the reason and a remedy, ERR_RANGE,
 *   ERR_ADDON_LOAD
 */
export function openCudaDevice(index: number): DeviceAddon {
  const { reason, remedy, processors, library } = cudaReport();
  if (reason !== '') {
    throw new FastWeightError('ERR_DEVICE_UNAVAILABLE', remedy ? `${reason}. ${remedy}` : reason);
  }
  if (!Number.isInteger(index) || index < 0 || index >= processors.length) {
    throw expected('ERR_RANGE', `a GPU from 0 to ${processors.length - 1}`, 'index', String(index));
  }
  return loadAddon().openLibraryDevice(library, index);
}
