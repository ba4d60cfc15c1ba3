// A JavaScript contender in a process of its own: node main.js NAME, then commands on stdin.
import { createInterface } from 'node:readline';
import * as tf from '@tensorflow/tfjs-core';
import { type HostTensor, readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import { type Answer, answerMark, type Command } from '../task';
import type { Library } from './library';
import { peakBytes, resetPeak, residentBytes } from './memory';
import { prepare } from './operations';
import type { ReferenceContender } from './reference_library';
import { Timer } from './timer';

const contender = process.argv[2];
let timer: Timer | undefined;
let baselineBytes = 0;

async function libraryOf(name: string, threads: number): Promise<Library> {
  if (name === 'fastweight') return (await import('./native_library.js')).nativeLibrary(threads);
  const { referenceLibrary } = await import('./reference_library.js');
  return referenceLibrary(name as ReferenceContender, threads);
}

function readInputs(file: string): Record<string, tf.Tensor> {
  const { tensors } = readSafetensors(file);
  return Object.fromEntries(
    [...tensors].map(([name, { data, shape, dtype }]) => [name, tf.tensor(data, shape, dtype)]),
  );
}

/** Reads results back and writes them; the caller's timing starts after it. */
function writeResults(file: string, results: Record<string, tf.Tensor>): void {
  const tensors = new Map<string, HostTensor>();
  for (const [name, tensor] of Object.entries(results)) {
    const data = tensor.dataSync() as Float32Array;
    tensors.set(name, { dtype: 'float32', shape: tensor.shape, data });
  }
  writeSafetensors(file, { tensors, metadata: {} });
}

async function answer(command: Command): Promise<Answer> {
  if (command.command === 'prepare') {
    const library = await libraryOf(contender, command.threads);
    const prepared = prepare(command.task, readInputs(command.inputs), library);
    baselineBytes = residentBytes();
    tf.tidy(() => writeResults(command.results, prepared.results()));
    resetPeak();
    prepared.run();
    timer = new Timer(prepared.run);
    return { prepared: true };
  }
  if (timer === undefined) return { error: 'nothing is prepared' };
  return command.command === 'run'
    ? { seconds: timer.time() }
    : { baselineBytes, peakBytes: peakBytes() };
}

async function serve(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const result = await answer(JSON.parse(line) as Command).catch((error: unknown) => ({
      error: error instanceof Error ? error.message : String(error),
    }));
    process.stdout.write(`${answerMark}${JSON.stringify(result)}\n`);
  }
}

void serve().then(() => process.exit(0));
