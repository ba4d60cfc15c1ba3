import type { HostTensor } from '../io/safetensors';

/** One compared result of a case. */
export interface Comparison {
  /** The result's name in the file, as 'w0' or 'layers.0.attn.w1'. */
  name: string;
  group: 'output' | 'gradient';
  /** ||actual - expected|| / ||expected||, or ||actual|| where all expected values are 0. */
  error: number;
  tolerance: number;
  /** In reduced precision, the worst error of the plain evaluations, of which tolerances are multiples. */
  plainError?: number;
  actual: Sample;
  expected: Sample;
}

/** The shape of a result and its first values. */
export interface Sample {
  shape: number[];
  first: number[];
}

type Values = ArrayLike<number>;

/** A computed result on the host. */
export interface Computed {
  shape: number[];
  data: Values;
}

function euclidean(length: number, value: (at: number) => number): number {
  let sum = 0;
  for (let at = 0; at < length; at++) sum += value(at) ** 2;
  return Math.sqrt(sum);
}

/** ||a - b|| / ||b|| of equally many values, in float64; ||a|| where b is 0. */
export function relativeError(a: Values, b: Values): number {
  const size = euclidean(b.length, (at) => b[at]);
  return euclidean(b.length, (at) => a[at] - b[at]) / (size === 0 ? 1 : size);
}

function sample({ shape, data }: Computed): Sample {
  return { shape, first: Array.from({ length: Math.min(4, data.length) }, (_, at) => data[at]) };
}

/** Compares one result; the error of a result that is missing or of another shape is infinite. */
export function compare(
  group: Comparison['group'],
  name: string,
  computed: Computed | undefined,
  golden: HostTensor,
  tolerance: number,
): Comparison {
  const sameShape = computed?.shape.join() === golden.shape.join();
  return {
    name,
    group,
    error: computed && sameShape ? relativeError(computed.data, golden.data) : Infinity,
    tolerance,
    actual: sample(computed ?? { shape: [], data: [] }),
    expected: sample(golden),
  };
}

/** Whether a comparison keeps its tolerance; an error that is not a number does not. */
export function holds({ error, tolerance }: Comparison): boolean {
  return error <= tolerance;
}

/** A sentence on one comparison: first values of both sides and the share of the tolerance used. */
export function describeComparison(comparison: Comparison): string {
  const { name, group, error, tolerance, plainError, actual, expected } = comparison;
  const values = ({ shape, first }: Sample) =>
    `[${shape.join(', ')}] ${first.map((value) => value.toPrecision(8)).join(' ')}`;
  const used = ((100 * error) / tolerance).toFixed(0);
  const verdict = holds(comparison) ? 'ok' : 'FAILED';
  const plain =
    plainError === undefined ? '' : ` (plain evaluations: ${plainError.toExponential(2)})`;
  return [
    `${group} ${name}: error ${error.toExponential(2)}, ${used}% of ${tolerance}${plain} ${verdict}`,
    `  actual   ${values(actual)}`,
    `  expected ${values(expected)}`,
  ].join('\n');
}
