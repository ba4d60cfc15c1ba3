import { parseArgs } from 'node:util';
import { cudaBackendName } from '../../src/backend/register';
import { UsageError } from '../usage_error';

/** What `npm run bench -- --device cuda` takes. */
export interface CudaOptions {
  backend: string;
  /** Only cases whose name has this text, besides the products that set the GEMM rate. */
  filter: string;
  rounds: number;
  quick: boolean;
  help: boolean;
  save: boolean;
  python?: string;
  lactRepo?: string;
  json?: string;
  out?: string;
}

export const cudaHelp = `usage: npm run bench -- --device cuda [options]

Times operations by the GPU's own clock: medians of rounds, TFLOP/s and, for products, the share of the
best rate that a product reached in this run with the same precision. Rivals compute every case on the
same data; only those whose results are as near to ours in float32 as the case's precision lets them be
take turns with us. Ratios are medians over rounds of a rival's time by ours: above 1, fastweight is faster.

  --backend NAME    the backend (default ${cudaBackendName})
  --case TEXT       only cases whose name has TEXT in it, besides those that set the GEMM rate
  --rounds N        repetitions (default 10, quick 2)
  --quick           small shapes: shows that everything works, not how fast it is

rivals
  --python PATH     a Python with torch: its products (cuBLAS), and its attention (flash-attn where
                    that is installed, else flex_attention)
  --lact-repo PATH  with --python: a clone of github.com/a1600012888/LaCT, compiled by torch and with
                    its Triton kernels; needs einops. Compiling takes minutes a case

results
  --json FILE       writes all figures
  --out DIR         writes bench.json, bench.md and bench.svg to DIR
  --save            writes them to bench/results, named by this GPU and the date

Exit code: 0; 1 where a contender's results differ from ours or ours fail; 2 for a wrong command line.
A rival that does not start (no torch, no Triton, no GPU) is a line that says why.`;

/** @throws UsageError */
export function parseCudaOptions(args: readonly string[]): CudaOptions {
  const values = parse(args);
  if (values.device !== 'cuda') {
    throw new UsageError(`Expected cuda for --device but got '${values.device}'`);
  }
  const { rounds = values.quick ? '2' : '10' } = values;
  if (!/^\d+$/.test(rounds) || Number(rounds) < 1 || Number(rounds) > 1024) {
    throw new UsageError(`Expected a whole number from 1 to 1024 for --rounds but got '${rounds}'`);
  }
  if (values['lact-repo'] !== undefined && values.python === undefined) {
    throw new UsageError('Expected --python PATH, which runs it, beside --lact-repo');
  }
  return {
    backend: values.backend,
    filter: values.case,
    rounds: Number(rounds),
    quick: values.quick,
    help: values.help,
    save: values.save,
    python: values.python,
    lactRepo: values['lact-repo'],
    json: values.json,
    out: values.out,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        device: { type: 'string', default: 'cuda' },
        backend: { type: 'string', default: cudaBackendName },
        case: { type: 'string', default: '' },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        save: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        python: { type: 'string' },
        'lact-repo': { type: 'string' },
        json: { type: 'string' },
        out: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
