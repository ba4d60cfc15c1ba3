import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { byteTokenizer, loadTokenizer } from '../../src';
import { expectError } from '../support/operations';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-'));
const write = (name: string, contents: unknown) => {
  fs.writeFileSync(
    path.join(folder, name),
    typeof contents === 'string' ? contents : JSON.stringify(contents),
  );
  return path.join(folder, name);
};

afterAll(() => fs.rmSync(folder, { recursive: true }));

const pieces = ['h', 'e', 'l', 'o', 'Ġ', 'w', 'r', 'd', 'he', 'll', 'hell', 'hello', 'Ġw'];

/** A byte-level BPE tokenizer of a few merges, whose texts begin with <s>. */
const bpe = {
  version: '1.0',
  added_tokens: [{ id: 20, content: '<s>', special: true, normalized: false }],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [20], tokens: ['<s>'] } },
  },
  decoder: { type: 'ByteLevel' },
  model: {
    type: 'BPE',
    vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
    merges: ['h e', 'l l', 'he ll', 'hell o', 'Ġ w'],
  },
};

test('a tokenizer.json encodes and decodes, alone and with its config', async () => {
  const file = write('tokenizer.json', bpe);
  const alone = await loadTokenizer(file);
  write('tokenizer_config.json', {
    tokenizer_class: 'GPT2Tokenizer',
    clean_up_tokenization_spaces: false,
  });
  for (const tokenizer of [alone, await loadTokenizer(folder)]) {
    expect(tokenizer.vocabSize).toBe(21);
    const ids = tokenizer.encode('hello world');
    expect(ids).toEqual([11, 12, 3, 6, 2, 7]);
    expect(tokenizer.decode(ids)).toBe('hello world');
    expect(tokenizer.decode(Int32Array.from(ids))).toBe('hello world');
    const marked = tokenizer.encode('hello', { specialTokens: true });
    expect(marked).toEqual([20, 11]);
    expect(tokenizer.decode(marked)).toBe('hello');
    expect(tokenizer.decode(marked, { specialTokens: true })).toBe('<s>hello');
    expect([tokenizer.encode(''), tokenizer.decode([])]).toEqual([[], '']);
  }
});

test('a unigram tokenizer with an unknown token', async () => {
  const vocab = [
    ['<unk>', 0],
    ['▁', -3],
    ['▁to', -2],
    ['be', -2],
    ['t', -4],
    ['o', -4],
    ['b', -4],
    ['e', -4],
  ];
  const file = write('unigram.json', {
    added_tokens: [{ id: 0, content: '<unk>', special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    post_processor: null,
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    model: { type: 'Unigram', unk_id: 0, vocab },
  });
  const tokenizer = await loadTokenizer(file);
  const ids = tokenizer.encode('to be');
  expect(tokenizer.decode(ids)).toBe('to be');
  expect(tokenizer.encode('to z')).toContain(0);
});

test('bytes have the same interface', () => {
  const ids = byteTokenizer.encode('a—');
  expect(ids).toEqual([97, 0xe2, 0x80, 0x94]);
  expect(byteTokenizer.decode(ids)).toBe('a—');
  expect(byteTokenizer.decode([0xe2, 0x80])).toBe('�');
  expect(byteTokenizer.vocabSize).toBe(256);
  expectError(() => byteTokenizer.decode([1, 256]), 'ERR_RANGE', /ids\[1\] but got 256/);
  expectError(() => byteTokenizer.encode(5 as never), 'ERR_ARGUMENT', /a string for text/);
});

test('wrong ids and files are refused', async () => {
  const tokenizer = await loadTokenizer(write('tokenizer.json', bpe));
  expectError(() => tokenizer.decode([1, 15]), 'ERR_RANGE', /an id of the vocabulary for ids\[1\]/);
  expectError(() => tokenizer.decode([0.5]), 'ERR_RANGE', /0\.5/);
  expectError(() => tokenizer.encode(null as never), 'ERR_ARGUMENT', /a string for text/);
  const refused = async (file: string, message: RegExp) => {
    const error = await loadTokenizer(file).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'FastWeightError', code: 'ERR_CHECKPOINT' });
    expect((error as Error).message).toMatch(message);
  };
  await refused(path.join(folder, 'none.json'), /none\.json: ENOENT/);
  await refused(write('cut.json', '{"model": '), /cut\.json: .*JSON/);
  await refused(write('list.json', []), /Expected an object for .*list\.json but got a list/);
  await refused(write('empty.json', {}), /a tokenizer with a 'model' for .*empty\.json/);
  await refused(write('odd.json', { ...bpe, model: { type: 'Abacus' } }), /odd\.json: /);
});
