import type { Options } from '../options';
import { blasContender } from './blas';
import type { Contender } from './contender';
import { javaScriptContender } from './javascript';
import { torchContender } from './torch';

/** Who takes part, ours first. */
export function contendersOf({ python, tfjsNode, blas }: Options): Contender[] {
  return [
    javaScriptContender('fastweight'),
    ...blas.map(blasContender),
    ...(python ? [torchContender(python, 'eager'), torchContender(python, 'compiled')] : []),
    ...(tfjsNode ? [javaScriptContender('tfjs-node', { tfjsNode })] : []),
    javaScriptContender('tfjs-wasm', { roughSpeed: 5 }),
    javaScriptContender('tfjs-cpu', { roughSpeed: 0.5 }),
  ];
}
