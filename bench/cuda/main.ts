// The benchmarks of a GPU as a program of their own, for the bundle.
import { runOnCuda } from './bench_on_cuda';

void runOnCuda(process.argv.slice(2)).then((code) => process.exit(code));
