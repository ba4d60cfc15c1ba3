import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type HostTensor, readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import { repositoryRoot } from '../repository';
import { startChild } from './child';
import type { Contender } from './contender';

/** The program that loads a BLAS; `npm run bench:native` builds it. */
export const blasPeer = () => path.join(repositoryRoot(), 'build', 'fastweight_blas_peer');

/** 'openblas' or 'mkl' where the file's name tells, else the name. */
export function blasName(library: string): string {
  const name = path.basename(library).toLowerCase();
  if (name.includes('openblas')) return 'openblas';
  return name.includes('mkl') ? 'mkl' : name;
}

function rawBytes({ data }: HostTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** cblas_sgemm of a shared library, for the gemm suite. */
export function blasContender(library: string): Contender {
  return {
    name: blasName(library),
    declines({ task }) {
      if (task.operation !== 'matMul') return 'a BLAS has matrix products alone';
      return existsSync(blasPeer()) ? undefined : 'npm run bench:native has not been run';
    },
    async start({ task, shape }, { threads, inputs, results }) {
      if (task.operation !== 'matMul') throw new Error('a BLAS has matrix products alone');
      const { tensors } = readSafetensors(inputs);
      const [a, b] = [tensors.get('a'), tensors.get('b')] as HostTensor[];
      const { batch = 1, m, n, k } = shape;
      const [rawInputs, rawResults] = [`${inputs}.blas`, `${results}.blas`];
      writeFileSync(rawInputs, Buffer.concat([rawBytes(a), rawBytes(b)]));
      const flags = [task.transposeA, task.transposeB].map(Number);
      const sizes = [batch, m, n, k, ...flags].map(String);
      const running = await startChild(
        { file: blasPeer(), args: [path.resolve(library), ...sizes, rawInputs, rawResults] },
        threads,
        { command: 'prepare', task, inputs, results, threads },
      );
      const data = new Float32Array(new Uint8Array(readFileSync(rawResults)).buffer);
      const output: HostTensor = { dtype: 'float32', shape: [batch, m, n], data };
      writeSafetensors(results, { tensors: new Map([['output', output]]), metadata: {} });
      return running;
    },
  };
}
