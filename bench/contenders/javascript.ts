import path from 'node:path';
import { startChild } from './child';
import type { Contender } from './contender';

const worker = path.join(__dirname, '..', 'worker', 'main.js');
const redirect = path.join(__dirname, '..', 'worker', 'redirect.js');

/** Longest case that a slow contender is given, by a rough guess of its speed. */
const patienceSeconds = 10;

interface JavaScriptOptions {
  /** GFLOP/s it is known to reach about; cases that would take long are left out. */
  roughSpeed?: number;
  /** Folder with node_modules/@tensorflow/tfjs-node in it or beside it. */
  tfjsNode?: string;
}

/** This package or a backend of TensorFlow.js, in a Node process. */
export function javaScriptContender(name: string, options: JavaScriptOptions = {}): Contender {
  const { roughSpeed, tfjsNode } = options;
  return {
    name,
    declines({ flops, task: { operation } }) {
      const isSession = operation === 'readPrompt' || operation === 'decode';
      if (isSession && name !== 'fastweight') return 'it has no sessions';
      const tooLong = roughSpeed !== undefined && flops / (roughSpeed * 1e9) > patienceSeconds;
      return tooLong ? 'it would take too long' : undefined;
    },
    start({ task }, { threads, inputs, results }) {
      const hooks = tfjsNode === undefined ? [] : ['--require', redirect];
      return startChild(
        {
          file: process.execPath,
          args: ['--expose-gc', ...hooks, worker, name],
          env:
            tfjsNode === undefined ? {} : { BENCH_TFJS_NODE: tfjsNode, TF_CPP_MIN_LOG_LEVEL: '2' },
        },
        threads,
        { command: 'prepare', task, inputs, results, threads },
      );
    },
  };
}
