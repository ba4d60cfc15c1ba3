import path from 'node:path';
import { repositoryRoot } from '../repository';
import { startChild } from './child';
import type { Contender } from './contender';

/** PyTorch, run by the Python at `python`: as it is, or through torch.compile. */
export function torchContender(python: string, mode: 'eager' | 'compiled'): Contender {
  const peer = path.join(repositoryRoot(), 'bench', 'peers', 'torch_peer.py');
  return {
    name: `torch-${mode}`,
    declines: () => undefined,
    start: ({ task }, { threads, inputs, results }) =>
      startChild({ file: python, args: [peer, mode] }, threads, {
        command: 'prepare',
        task,
        inputs,
        results,
        threads,
      }),
  };
}
