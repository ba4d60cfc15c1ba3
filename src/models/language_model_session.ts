import { squeeze, type Tensor2D, type Tensor3D, tensor2d, tidy } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { FastWeightAttentionConfig } from '../layers/fast_weight_attention_config';
import { SequenceMemory } from '../layers/sequence_memory';
import { StreamedSequences, type StreamSettings } from '../layers/streamed_sequences';
import { expected } from '../native/errors';
import { assertBackend, assertInteger } from '../ops/validate';
import { attentionOf, rotaryOf } from './model_attention';
import type { Sampler } from './sampler';
import { readSession, writeSession } from './session_file';

/** A point of a session to come back to; it holds memory until it is disposed of. */
export class SessionMark {
  constructor(
    /** The session's memory at that point. */
    readonly memory: SequenceMemory,
  ) {}

  dispose(): void {
    this.memory.dispose();
  }
}

/** The ids of a call, one list for each sequence. */
type Ids = readonly ArrayLike<number>[];

/** Tokens that go through the model at a time, at least. */
const pieceTokens = 512;

/**
 * Sequences that a language model reads call by call, and writes. The fast weights go on learning:
 * every chunk is written as soon as it is whole. Any split into calls gives what one pass over the
 * whole sequences gives, and sequences of different lengths give what each alone gives. Memory does
 * not grow with the tokens read, but for a model whose window is 0, that is, without end.
 *
 * The model's parameters must stay as they are while a session lasts. A call that fails while the
 * model runs leaves the session unusable until `rewind`.
 */
export class LanguageModelSession {
  private readonly vocabSize: number;
  private readonly settings: StreamSettings;
  /** Tokens that go through the model at a time: whole chunks. */
  private readonly piece: number;
  private isBroken = false;
  private isDisposed = false;

  private constructor(
    private readonly model: LayersModel,
    private memory: SequenceMemory,
  ) {
    const attention: Readonly<FastWeightAttentionConfig> = attentionOf(model);
    this.vocabSize = (model.outputs[0].shape as number[])[2];
    this.settings = { ...rotaryOf(attention), window: attention.windowSize };
    const chunk = attention.lactChunkSize;
    this.piece = chunk * Math.ceil(pieceTokens / chunk);
  }

  /**
   * Sequences from their beginning.
   *
   * @param model a language model
   * @param batch how many sequences, at least 1
   * @throws FastWeightError ERR_RANGE, ERR_ARGUMENT for another model
   */
  static start(model: LayersModel, batch: number): LanguageModelSession {
    assertInteger('batch', batch, 1);
    return new LanguageModelSession(model, new SequenceMemory(new Array<number>(batch).fill(0)));
  }

  /**
   * The session that `save` wrote.
   *
   * @throws FastWeightError ERR_CHECKPOINT for a file that is truncated, is no session or is one of
   * another model
   */
  static async load(model: LayersModel, file: string): Promise<LanguageModelSession> {
    return new LanguageModelSession(model, await readSession(model, file));
  }

  /** How many sequences there are. */
  get batch(): number {
    return this.memory.positions.length;
  }

  /** Tokens read so far, of each sequence. */
  get positions(): number[] {
    return [...this.memory.positions];
  }

  /** Bytes that the session holds: fast weights, pending chunks, keys and values. */
  get bytes(): number {
    return this.memory.bytes;
  }

  /**
   * Reads tokens, as many of each sequence as there are, and predicts the next.
   *
   * @param ids a list for each sequence, of any length
   * @returns logits [batch, vocabSize] after each sequence's last token; what stands there for a
   * sequence that was given none means nothing
   * @throws FastWeightError ERR_SHAPE, ERR_RANGE, ERR_ARGUMENT, ERR_DISPOSED, ERR_OUT_OF_MEMORY,
   * ERR_NON_FINITE for weights that became so
   */
  prefill(ids: Ids): Tensor2D {
    const pieces = this.piecesOf(ids);
    const logits = this.guarded(() => {
      let last: Tensor3D | undefined;
      for (const piece of pieces) {
        last?.dispose();
        last = this.read(piece, false);
      }
      return last as Tensor3D;
    });
    const flat = squeeze(logits, [1]) as Tensor2D;
    logits.dispose();
    return flat;
  }

  /**
   * As `prefill`, for the logits after every token.
   *
   * @returns [batch, tokens of the longest list, vocabSize]; a sequence's own are its last
   */
  logits(ids: Ids): Tensor3D {
    const most = this.checkedLength(ids);
    return this.guarded(() => this.read(padded(ids, most), true));
  }

  /**
   * Reads one token of each sequence and predicts the next.
   *
   * @param ids one for each sequence
   * @returns logits [batch, vocabSize]
   * @throws FastWeightError as `prefill`
   */
  step(ids: ArrayLike<number>): Tensor2D {
    return this.prefill(Array.from(ids, (id) => [id]));
  }

  /**
   * Writes on without end: draws a token for each sequence, gives it out and reads it.
   *
   * @param logits of the next tokens, as `prefill` and `step` return them; they are disposed of
   * @example for (const [token] of session.generate(session.prefill([prompt]), sampler)) {...}
   */
  *generate(logits: Tensor2D, sampler: Sampler): Generator<number[], void, void> {
    let next = logits;
    try {
      for (;;) {
        const ids = sampler.draw(next);
        yield ids;
        const after = this.step(ids);
        next.dispose();
        next = after;
      }
    } finally {
      next.dispose();
    }
  }

  /** An independent session at the same point. */
  fork(): LanguageModelSession {
    this.assertUsable();
    return new LanguageModelSession(this.model, this.memory.fork());
  }

  /** The present point, to `rewind` to any number of times; the caller's to dispose of. */
  mark(): SessionMark {
    this.assertUsable();
    return new SessionMark(this.memory.fork());
  }

  /**
   * Goes back to a mark of this session or of one that it was forked from.
   *
   * @throws FastWeightError ERR_ARGUMENT for a mark of another number of sequences, ERR_DISPOSED
   */
  rewind(mark: SessionMark): void {
    this.assertLive();
    if (mark.memory.positions.length !== this.batch) {
      const got = `one of ${mark.memory.positions.length}`;
      throw expected('ERR_ARGUMENT', `a mark of ${this.batch} sequences`, 'mark', got);
    }
    const memory = mark.memory.fork();
    this.memory.dispose();
    this.memory = memory;
    this.isBroken = false;
  }

  /**
   * Writes the session as a safetensors file, which appears under its name when it is whole. It goes
   * with the model's parameters: another model refuses it.
   *
   * @throws FastWeightError ERR_CHECKPOINT where the file cannot be written, ERR_DISPOSED
   */
  async save(file: string): Promise<void> {
    this.assertUsable();
    await writeSession(this.model, this.memory, file);
  }

  dispose(): void {
    this.isDisposed = true;
    this.memory.dispose();
  }

  /** The ids in pieces of few enough tokens, each with sequences of its own lengths. */
  private piecesOf(ids: Ids): PaddedIds[] {
    const most = this.checkedLength(ids);
    const pieces: PaddedIds[] = [];
    // Every sequence ends with the last piece, where all logits are taken.
    const first = most % this.piece || this.piece;
    for (let end = first; end <= most; end += this.piece) {
      const within = ids.map((list) => {
        const stop = Math.max(0, list.length - (most - end));
        return Array.prototype.slice.call(list, Math.max(0, stop - this.piece), stop) as number[];
      });
      pieces.push(padded(within, Math.max(...within.map(({ length }) => length))));
    }
    return pieces;
  }

  /** The length of the longest list. */
  private checkedLength(ids: Ids): number {
    this.assertUsable();
    assertBackend('session');
    if (!Array.isArray(ids) || ids.length !== this.batch) {
      const got = Array.isArray(ids) ? `${ids.length}` : String(ids);
      throw expected('ERR_SHAPE', `a list for each of ${this.batch} sequences`, 'ids', got);
    }
    ids.forEach((list, b) => {
      for (let at = 0; at < list.length; at++) {
        if (Number.isSafeInteger(list[at]) && list[at] >= 0 && list[at] < this.vocabSize) continue;
        const expectation = `whole numbers below ${this.vocabSize}`;
        throw expected('ERR_RANGE', expectation, 'ids', `${list[at]} at [${b}][${at}]`);
      }
    });
    const most = Math.max(...ids.map(({ length }) => length));
    if (most === 0) throw expected('ERR_SHAPE', 'at least one token', 'ids', 'none');
    return most;
  }

  private read({ ids, counts, tokens }: PaddedIds, allLogits: boolean): Tensor3D {
    return tidy(() => {
      const { memory, settings } = this;
      const sequence = new StreamedSequences(memory, counts, tokens, settings, allLogits);
      const given = tensor2d(ids, [counts.length, tokens], 'int32');
      const logits = this.model.apply(given, { sequence }) as Tensor3D;
      sequence.finish();
      return logits;
    });
  }

  private guarded<T>(run: () => T): T {
    this.isBroken = true;
    const result = run();
    this.isBroken = false;
    return result;
  }

  private assertLive(): void {
    if (this.isDisposed) {
      throw expected('ERR_DISPOSED', 'a live session', 'session', 'a disposed one');
    }
  }

  private assertUsable(): void {
    this.assertLive();
    if (!this.isBroken) return;
    const remedy = 'Rewind it to a mark';
    throw expected('ERR_ARGUMENT', 'a session whose calls succeeded', 'session', 'another', remedy);
  }
}

/** Lists of different lengths as one array [batch, tokens], zeros before the shorter ones. */
interface PaddedIds {
  ids: Int32Array;
  counts: number[];
  tokens: number;
}

function padded(lists: Ids, tokens: number): PaddedIds {
  const ids = new Int32Array(lists.length * tokens);
  lists.forEach((list, b) => {
    for (let at = 0; at < list.length; at++) ids[(b + 1) * tokens - list.length + at] = list[at];
  });
  return { ids, counts: lists.map(({ length }) => length), tokens };
}
