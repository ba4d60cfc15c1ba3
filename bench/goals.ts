import type { CaseResult, ContenderResult, GoalResult } from './results';

/**
 * "at least `atLeast` times as fast as the better of `rivals`", or, with shareOfPeak, "at least that
 * share of the GEMM rate", which is about ourselves.
 */
interface Goal {
  /** Start of the names of the cases it is about. */
  cases: string;
  rivals: string[];
  atLeast: number;
  quantity?: Quantity;
}

type Quantity = 'timeRatio' | 'memoryRatio' | 'shareOfPeak';

const titles: Readonly<Record<Quantity, string>> = {
  timeRatio: 'speed against',
  memoryRatio: 'memory against',
  shareOfPeak: 'share of the GEMM rate,',
};

const large = 'rows 1, tokens 4096, chunk 2048, 768 x 1536';
const small = 'rows 4, tokens 8192, chunk 1024, 256 x 256';
const medium = 'rows 1, tokens 4096, chunk 2048, 512 x 512';
const both = 'scan forward + backward, ';

/** In bfloat16, on a GPU of the H200's class; the cases are those of bench/cuda/cases.ts. */
const gpuGoals: readonly Goal[] = [
  share('view synthesis forward,', 0.75),
  share('view synthesis forward + backward,', 0.6),
  { cases: 'language ', rivals: ['lact-compiled'], atLeast: 2 },
  { cases: 'language ', rivals: ['lact-triton'], atLeast: 1.5 },
  { cases: 'Newton-Schulz ', rivals: ['lact-compiled'], atLeast: 1.2 },
];

function share(cases: string, atLeast: number): Goal {
  return { cases, rivals: ['fastweight'], atLeast, quantity: 'shareOfPeak' };
}

const goals: readonly Goal[] = [
  { cases: 'gemm ', rivals: ['openblas', 'mkl'], atLeast: 0.95 },
  { cases: `scan forward, ${large}`, rivals: ['torch-compiled'], atLeast: 1.25 },
  { cases: `scan forward, ${large}`, rivals: ['tfjs-node'], atLeast: 2 },
  { cases: `${both}${large}`, rivals: ['torch-compiled'], atLeast: 1.25 },
  { cases: `${both}${large}`, rivals: ['torch-eager'], atLeast: 3 },
  { cases: `${both}${large}`, rivals: ['tfjs-node'], atLeast: 1.6 },
  { cases: `scan forward, ${small}`, rivals: ['torch-compiled'], atLeast: 1.5 },
  { cases: `scan forward, ${small}`, rivals: ['tfjs-node'], atLeast: 3 },
  { cases: `${both}${small}`, rivals: ['torch-compiled'], atLeast: 1.5 },
  { cases: `${both}${small}`, rivals: ['torch-eager'], atLeast: 15 },
  { cases: `${both}${small}`, rivals: ['tfjs-node'], atLeast: 3 },
  { cases: `scan forward, ${medium}`, rivals: ['torch-eager', 'torch-compiled'], atLeast: 1.4 },
  {
    cases: 'scan forward, rows 1, tokens 256, chunk 128, 128 x 128',
    rivals: ['tfjs-cpu'],
    atLeast: 100,
  },
  ...[both, 'scan forward + backward ('].map(
    (cases): Goal => ({
      cases,
      rivals: ['torch-eager', 'torch-compiled'],
      atLeast: 2,
      quantity: 'memoryRatio',
    }),
  ),
  ...gpuGoals,
];

/** The goals that this case has and whose rivals, at least one of them, were measured. */
export function judge({ name, contenders }: Pick<CaseResult, 'name' | 'contenders'>): GoalResult[] {
  return goals
    .filter(({ cases }) => name.startsWith(cases))
    .flatMap(({ rivals, atLeast, quantity = 'timeRatio' }) => {
      const found = contenders.filter((rival) => takesPart(rival, rivals, quantity));
      if (found.length === 0) return [];
      const measured = Math.min(...found.map((rival) => rival[quantity] as number));
      const names = found.map((rival) => rival.name).join(' and ');
      const goal = `${titles[quantity]} ${names}`;
      const isShare = quantity === 'shareOfPeak' ? true : undefined;
      return [{ goal, atLeast, measured, met: measured >= atLeast, isShare }];
    });
}

function takesPart(
  contender: ContenderResult,
  rivals: readonly string[],
  quantity: Quantity,
): boolean {
  return rivals.includes(contender.name) && contender[quantity] !== undefined;
}
