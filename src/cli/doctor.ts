import * as os from 'node:os';
import { parseArgs } from 'node:util';
import { instructionSets, numThreads } from '../native/cpu';
import { type CudaReport, cudaReport } from '../native/cuda_device';
import { type DeviceChoice, deviceChoice } from '../native/device_choice';
import { FastWeightError } from '../native/errors';
import { loadedAddonFile, packageVersion } from '../native/loader';
import { type Command, exitCodes } from './command';

const help = `usage: fastweight doctor [--json]

Says what this machine has and what fastweight does with it: the system, the CPU and the instruction
set in use, threads, the NVIDIA driver, the CUDA runtime, GPUs, and which device libraries load or
why they do not, with a line on what to do.

  --json  prints one JSON object instead of lines

Exit code: 0 where the device that FASTWEIGHT_DEVICE asks for works (without it, the CPU), 1 where it
does not, 2 where the command line was wrong.`;

/** What the CPU device is, or why there is none. */
type CpuReport =
  | { works: true; addon: string; instructionSet: string; available: string[]; threads: number }
  | { works: false; reason: string };

export interface DoctorReport {
  version: string;
  node: string;
  system: string;
  cpu: string;
  cores: number;
  memoryBytes: number;
  chosen: DeviceChoice;
  addon: CpuReport;
  cuda: CudaReport;
}

/** Everything that `fastweight doctor` says. Throws ERR_ARGUMENT for a wrong FASTWEIGHT_DEVICE. */
export function examine(): DoctorReport {
  const chosen = deviceChoice(process.env.FASTWEIGHT_DEVICE);
  return {
    version: packageVersion(),
    node: `${process.version} (${process.platform}-${process.arch})`,
    system: `${os.type()} ${os.release()}`,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    chosen,
    addon: examineCpu(),
    cuda: examineCuda(),
  };
}

function examineCpu(): CpuReport {
  try {
    const { inUse, available } = instructionSets();
    const threads = numThreads();
    return { works: true, addon: loadedAddonFile(), instructionSet: inUse, available, threads };
  } catch (error) {
    return { works: false, reason: messageOf(error) };
  }
}

function examineCuda(): CudaReport {
  try {
    return cudaReport();
  } catch (error) {
    const none = {
      library: '',
      processors: [],
      driver: '',
      runtime: '',
      matrixLibrary: '',
      productsReason: '',
    };
    return { ...none, reason: messageOf(error), remedy: 'Get the addon to load first' };
  }
}

function messageOf(error: unknown): string {
  if (error instanceof FastWeightError) return error.message;
  throw error;
}

/** Whether the device that was asked for works. */
export function isWell({ chosen, addon, cuda }: DoctorReport): boolean {
  if (!addon.works || chosen.kind !== 'cuda') return addon.works;
  return cuda.reason === '' && chosen.index < cuda.processors.length;
}

const gibibyte = 2 ** 30;

/** The report as lines. */
export function describe(report: DoctorReport): string[] {
  const { addon, cuda } = report;
  const lines = [
    ['fastweight', report.version],
    ['system', report.system],
    ['node', report.node],
    ['cpu', `${report.cpu}, ${report.cores} cores, ${inGibibytes(report.memoryBytes)}`],
    ...(addon.works
      ? [
          ['addon', addon.addon],
          ['runs', `${addon.instructionSet} code (could: ${addon.available.join(', ')})`],
          ['threads', String(addon.threads)],
        ]
      : [['addon', addon.reason]]),
    ['driver', cuda.driver ? `serves CUDA ${cuda.driver}` : 'none found'],
    ...(cuda.runtime ? [['runtime', `CUDA ${cuda.runtime}`]] : []),
    ...(cuda.matrixLibrary ? [['cuBLASLt', cuda.matrixLibrary]] : []),
    ...cuda.processors.map(({ name, computeCapability, memoryBytes, multiprocessors }, index) => [
      `GPU ${index}`,
      `${name}, compute capability ${computeCapability}, ${multiprocessors} multiprocessors, ` +
        inGibibytes(memoryBytes),
    ]),
    ['cuda', cuda.reason === '' ? `works, from ${cuda.library}` : cuda.reason],
    ...(cuda.productsReason ? [['products', `cuBLAS's alone: ${cuda.productsReason}`]] : []),
    ...(cuda.reason !== '' && cuda.remedy !== '' ? [['', cuda.remedy]] : []),
    ['picks', pickOf(report)],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}

function inGibibytes(bytes: number): string {
  return `${(bytes / gibibyte).toFixed(1)} GiB`;
}

/** The backend that `await tf.ready()` picks. */
function pickOf({ chosen, addon, cuda }: DoctorReport): string {
  const why = chosen.kind === 'auto' ? '' : ', as FASTWEIGHT_DEVICE says';
  if (chosen.kind !== 'cpu' && cuda.reason === '' && chosen.index < cuda.processors.length) {
    return `fastweight-cuda on GPU ${chosen.index}${why}`;
  }
  if (!addon.works) return "none of fastweight's backends";
  return `fastweight-cpu${chosen.kind === 'cpu' ? why : ''}`;
}

/** `fastweight doctor`: what this machine has, and what to do where something does not work. */
export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'says what this machine has, which devices work and what to do where one does not',
  help,
  async run(args, output) {
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean', default: false } },
    });
    const report = examine();
    if (values.json) output.write(JSON.stringify({ ...report, well: isWell(report) }, null, 2));
    else for (const line of describe(report)) output.write(line);
    return isWell(report) ? exitCodes.ok : exitCodes.failed;
  },
};
