import type { Handle } from './tensor_storage_addon';

/** batch, heads, queryTokens, keyTokens, headDim, window, scale, causal. */
export type AttentionShape = [
  batch: number,
  heads: number,
  queryTokens: number,
  keyTokens: number,
  headDim: number,
  window: number,
  scale: number,
  causal: boolean,
];

/** The norms of `normaliseRows`, as native code numbers them. */
export const rowNorms = { rms: 0, layer: 1, l2: 2 } as const;
export type RowNorm = keyof typeof rowNorms;

/** The functions of `activate`, as native code numbers them. */
export const activations = { silu: 0, softplus: 1, gelu: 2, geluTanh: 3 } as const;
export type Activation = keyof typeof activations;

/**
 * Kernels of sequence models (native/binding/sequence_kernels.cc). Outputs are handles of tensors
 * of the right size; a handle of 0 stands for a tensor that is absent. Those that need scratch
 * memory throw ERR_OUT_OF_MEMORY.
 */
export interface SequenceAddon {
  attention(
    q: Handle,
    k: Handle,
    v: Handle,
    firstKeys: Handle,
    output: Handle,
    logSumExp: Handle,
    ...shape: AttentionShape
  ): void;
  attentionBackward(
    q: Handle,
    k: Handle,
    v: Handle,
    firstKeys: Handle,
    output: Handle,
    logSumExp: Handle,
    outputCotangent: Handle,
    qCotangent: Handle,
    kCotangent: Handle,
    vCotangent: Handle,
    ...shape: AttentionShape
  ): void;
  normaliseRows(
    x: Handle,
    weight: Handle,
    bias: Handle,
    y: Handle,
    norm: number,
    rows: number,
    columns: number,
    epsilon: number,
  ): void;
  normaliseRowsBackward(
    x: Handle,
    weight: Handle,
    yCotangent: Handle,
    xCotangent: Handle,
    weightCotangent: Handle,
    biasCotangent: Handle,
    norm: number,
    rows: number,
    columns: number,
    epsilon: number,
  ): void;
  rotaryEmbedding(
    x: Handle,
    y: Handle,
    batch: number,
    tokens: number,
    heads: number,
    headDim: number,
    offset: number,
    base: number,
    interleaved: boolean,
    inverse: boolean,
  ): void;
  tableRotaryEmbedding(
    x: Handle,
    cosines: Handle,
    sines: Handle,
    y: Handle,
    batch: number,
    tokens: number,
    heads: number,
    headDim: number,
    interleaved: boolean,
    inverse: boolean,
  ): void;
  activate(
    x: Handle,
    up: Handle,
    y: Handle,
    activation: number,
    count: number,
    offset: number,
  ): void;
  activateBackward(
    x: Handle,
    up: Handle,
    yCotangent: Handle,
    xCotangent: Handle,
    upCotangent: Handle,
    activation: number,
    count: number,
    offset: number,
  ): void;
  /** Throws ERR_RANGE for a label of `classes` or more, before anything is written. */
  softmaxCrossEntropy(
    logits: Handle,
    labels: Handle,
    loss: Handle,
    logSumExp: Handle,
    rows: number,
    classes: number,
  ): void;
  softmaxCrossEntropyBackward(
    logits: Handle,
    labels: Handle,
    logSumExp: Handle,
    lossCotangent: Handle,
    logitsCotangent: Handle,
    rows: number,
    classes: number,
  ): void;
}
