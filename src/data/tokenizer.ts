import * as fs from 'node:fs';
import * as path from 'node:path';
import { expected, FastWeightError } from '../native/errors';
import { textBytes } from './byte_dataset';

/** Text to the ids of a language model and back. */
export interface Tokenizer {
  /** Ids are below it: the least `vocabSize` of a model. */
  readonly vocabSize: number;
  /**
   * @param options.specialTokens whether to add those that begin or end a text, default false
   * @throws FastWeightError ERR_ARGUMENT for what is no string
   */
  encode(text: string, options?: { specialTokens?: boolean }): number[];
  /**
   * @param options.specialTokens whether to write special tokens out, default false
   * @throws FastWeightError ERR_RANGE for a number that is no id
   */
  decode(ids: ArrayLike<number>, options?: { specialTokens?: boolean }): string;
}

/** Bytes of UTF-8 as ids, which needs no file. Bytes that are no text are decoded to U+FFFD. */
export const byteTokenizer: Tokenizer = {
  vocabSize: 256,
  encode(text) {
    assertText(text);
    return [...textBytes(text)];
  },
  decode(ids) {
    assertIds(ids, (id) => id < 256);
    return new TextDecoder().decode(Uint8Array.from(ids));
  },
};

/**
 * The subword tokenizer (BPE, WordPiece or Unigram) of a `tokenizer.json`, as published beside
 * models, with the `tokenizer_config.json` in the same folder where there is one. Characters that its
 * vocabulary lacks become its unknown token; without one they are left out.
 *
 * @param place the file, or the folder that holds it
 * @throws FastWeightError ERR_CHECKPOINT for a file that is not there or is no tokenizer
 */
export async function loadTokenizer(place: string): Promise<Tokenizer> {
  const isFolder = fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const file = isFolder ? path.join(place, 'tokenizer.json') : place;
  const configFile = path.join(path.dirname(file), 'tokenizer_config.json');
  const json = readObject(file);
  const config = fs.existsSync(configFile) ? readObject(configFile) : {};
  if (typeof json.model !== 'object' || json.model === null) {
    throw expected('ERR_CHECKPOINT', "a tokenizer with a 'model'", file, 'none');
  }
  const library = await import('@huggingface/tokenizers');
  try {
    return new SubwordTokenizer(new library.Tokenizer(json, config));
  } catch (error) {
    throw new FastWeightError('ERR_CHECKPOINT', `${file}: ${(error as Error).message}`);
  }
}

/** What of the library is used. Its own types are those of an ES module. */
interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean }): string;
  get_vocab(): Map<string, number>;
  get_added_tokens_decoder(): Map<number, unknown>;
}

class SubwordTokenizer implements Tokenizer {
  readonly vocabSize: number;
  private readonly ids: Set<number>;

  constructor(private readonly tokenizer: Library) {
    this.ids = new Set([
      ...tokenizer.get_vocab().values(),
      ...tokenizer.get_added_tokens_decoder().keys(),
    ]);
    this.vocabSize = 1 + [...this.ids].reduce((most, id) => Math.max(most, id), -1);
  }

  encode(text: string, { specialTokens = false } = {}): number[] {
    assertText(text);
    return this.tokenizer.encode(text, { add_special_tokens: specialTokens }).ids;
  }

  decode(ids: ArrayLike<number>, { specialTokens = false } = {}): string {
    assertIds(ids, (id) => this.ids.has(id));
    if (ids.length === 0) return '';
    return this.tokenizer.decode(Array.from(ids), { skip_special_tokens: !specialTokens });
  }
}

function readObject(file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new FastWeightError('ERR_CHECKPOINT', `${file}: ${(error as Error).message}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw expected('ERR_CHECKPOINT', 'an object', file, Array.isArray(value) ? 'a list' : `${value}`);
}

function assertText(text: string): void {
  if (typeof text !== 'string') throw expected('ERR_ARGUMENT', 'a string', 'text', String(text));
}

function assertIds(ids: ArrayLike<number>, isId: (id: number) => boolean): void {
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at];
    if (Number.isSafeInteger(id) && id >= 0 && isId(id)) continue;
    throw expected('ERR_RANGE', 'an id of the vocabulary', `ids[${at}]`, String(id));
  }
}
