import path from 'node:path';
import type { Case } from '../case';
import { startChild } from '../contenders/child';
import type { Contender } from '../contenders/contender';
import { repositoryRoot } from '../repository';
import type { CudaOptions } from './options';

/** Who takes part beside us: PyTorch's own operations, and the published implementation of LaCT. */
export function rivalsOf({
  python,
  lactRepo,
}: Pick<CudaOptions, 'python' | 'lactRepo'>): Contender[] {
  if (python === undefined) return [];
  const torch = peer('torch', [python, 'torch'], ({ task: { operation } }) =>
    operation === 'scan' || operation === 'newtonSchulz' ? 'PyTorch has no such operation' : '',
  );
  if (lactRepo === undefined) return [torch];
  const repository = path.resolve(lactRepo);
  return [
    torch,
    peer('lact-compiled', [python, 'lact', repository], ({ task: { operation } }) =>
      operation === 'scan' || operation === 'newtonSchulz' ? '' : noLact,
    ),
    peer('lact-triton', [python, 'lact-triton', repository], whyNotTriton),
  ];
}

const noLact = 'it has scans and Newton-Schulz alone';

/** Why the fused kernels do not compute this case; '' where they do. */
function whyNotTriton({ task, name }: Case): string {
  if (task.operation !== 'scan') return 'it has scans alone';
  if (name.includes('view synthesis')) return 'its view synthesis has no fused kernels';
  return task.options.optimizer === 'muon'
    ? 'its Muon takes w0 and w2 as one matrix: another function'
    : '';
}

/** A mode of bench/peers/cuda_peer.py, in a process of its own. */
function peer(
  name: string,
  [python, ...args]: string[],
  whyNot: (benchCase: Case) => string,
): Contender {
  const file = path.join(repositoryRoot(), 'bench', 'peers', 'cuda_peer.py');
  return {
    name,
    declines: (benchCase) => whyNot(benchCase) || undefined,
    start: ({ task, precision }, { threads, inputs, results }) =>
      startChild({ file: python, args: [file, ...args] }, threads, {
        command: 'prepare',
        task,
        inputs,
        results,
        threads,
        precision,
      }),
  };
}
