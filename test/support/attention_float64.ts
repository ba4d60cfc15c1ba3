// Attention, causal or not, and its gradients in float64, one query at a time.

export interface AttentionCase {
  batch: number;
  queryTokens: number;
  keyTokens: number;
  heads: number;
  headDim: number;
  window?: number;
  scale?: number;
  /** Default true. */
  causal?: boolean;
}

type Values = readonly number[];

export function attentionFloat64(s: AttentionCase, q: Values, k: Values, v: Values, dOut: Values) {
  const { batch, queryTokens, keyTokens, heads, headDim } = s;
  const { window = keyTokens, scale = 1 / Math.sqrt(headDim), causal = true } = s;
  const output = q.map(() => 0);
  const dq = q.map(() => 0);
  const dk = k.map(() => 0);
  const dv = v.map(() => 0);
  const row = (tokens: number, b: number, t: number, h: number) =>
    ((b * tokens + t) * heads + h) * headDim;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queryTokens; i++) {
        const query = row(queryTokens, b, i, h);
        const position = i + keyTokens - queryTokens;
        const first = causal ? Math.max(0, position - window + 1) : 0;
        const end = causal ? position + 1 : keyTokens;
        const keys = Array.from({ length: end - first }, (_, at) =>
          row(keyTokens, b, first + at, h),
        );
        const product = (x: Values, from: number, y: Values, to: number) => {
          let sum = 0;
          for (let d = 0; d < headDim; d++) sum += x[from + d] * y[to + d];
          return sum;
        };
        const scores = keys.map((key) => scale * product(q, query, k, key));
        const largest = Math.max(...scores);
        const exponentials = scores.map((score) => Math.exp(score - largest));
        const total = exponentials.reduce((sum, value) => sum + value);
        const weights = exponentials.map((value) => value / total);
        keys.forEach((key, at) => {
          for (let d = 0; d < headDim; d++) output[query + d] += weights[at] * v[key + d];
        });
        const delta = product(dOut, query, output, query);
        keys.forEach((key, at) => {
          const dScore = scale * weights[at] * (product(dOut, query, v, key) - delta);
          for (let d = 0; d < headDim; d++) {
            dq[query + d] += dScore * k[key + d];
            dk[key + d] += dScore * q[query + d];
            dv[key + d] += weights[at] * dOut[query + d];
          }
        });
      }
    }
  }
  return { output, dq, dk, dv };
}
