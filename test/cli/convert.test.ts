import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { convertCommand } from '../../src/cli/convert';
import { runCli } from '../../src/cli/run';
import { readSafetensors } from '../../src/io/safetensors';
import { fromPublishedConfig } from '../../src/models/language_model_config';
import { languageModelParameters } from '../../src/models/language_model_parameters';
import { checkpointFile, pickled, tensorPickle } from '../support/torch_files';

const checkpoint = path.join(__dirname, '..', 'io', 'fixtures', 'checkpoint.pt');

let folder: string;
const file = (name: string) => path.join(folder, name);

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-convert-'));
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const output = {
    write: (line: string) => out.push(line),
    writeError: (line: string) => err.push(line),
  };
  const code = await runCli(['convert', ...args], [convertCommand], output);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

test('writes the tensors of a checkpoint and says what they are', async () => {
  const { code, out } = await run(checkpoint, file('all.safetensors'));
  expect(code).toBe(0);
  expect(out).toMatch(/^16 tensors \(7 F32, 1 F64, .*1 BOOL\), 90 elements: .*all.safetensors$/);
  const { dtypes } = headerOf(file('all.safetensors'));
  expect(dtypes).toMatchObject({ bfloat16: 'BF16', float64: 'F64', int64: 'I64', bool: 'BOOL' });

  await run(checkpoint, file('ema.safetensors'), '--key', 'ema.shadow');
  const { tensors } = readSafetensors(file('ema.safetensors'));
  expect([...tensors.keys()]).toEqual(['float32']);
  expect(tensors.get('float32')?.data[11]).toBe(-0.875);
});

function headerOf(name: string): { dtypes: Record<string, string> } {
  const bytes = fs.readFileSync(name);
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0))));
  const entries = Object.entries<{ dtype: string }>(header);
  return { dtypes: Object.fromEntries(entries.map(([key, { dtype }]) => [key, dtype])) };
}

describe('--model', () => {
  const config = {
    vocab_size: 2,
    hidden_size: 2,
    num_hidden_layers: 1,
    num_attn_heads: 1,
    num_lact_heads: 1,
    tie_word_embeddings: true,
  };

  const args = () => {
    fs.writeFileSync(file('config.json'), JSON.stringify(config));
    return ['--model', 'language-model', '--config', file('config.json')];
  };

  /** Zeros of these shapes, all views of one storage. */
  const write = (name: string, shapes: [string, number[]][]) => {
    const length = 1024;
    const strides = (shape: number[]) =>
      shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
    const tensors = shapes.map(([tensor, shape]) => [
      tensor,
      tensorPickle({ key: 'zeros', length, shape, strides: strides(shape) }),
    ]);
    const contents = pickled.whole(pickled.dict(Object.fromEntries(tensors)));
    const zeros = { 'archive/data/zeros': new Uint8Array(4 * length) };
    fs.writeFileSync(file(name), checkpointFile(contents, zeros));
    return file(name);
  };

  test('reports every name that is missing, unknown or of another shape, and writes nothing', async () => {
    const input = write('other.pt', [
      ['model.norm.weight', [2, 2]],
      ['model.spare', [2]],
    ]);
    const { code, err } = await run(input, file('other.safetensors'), ...args());
    expect(code).toBe(1);
    expect(err).toMatch(/^missing: embeddings.weight \[2, 2\]$/m);
    expect(err).toMatch(/^shape: norm.weight is \[2, 2\], the model's is \[2\]$/m);
    expect(err).toMatch(/^unknown: spare \[2\]$/m);
    expect(err).toMatch(
      /ERR_CHECKPOINT: .*the parameters of language-model but got \d+ that differ/,
    );
    expect(fs.existsSync(file('other.safetensors'))).toBe(false);
  });

  test('takes the parameters of the model, with the published prefix or without', async () => {
    const published = languageModelParameters(fromPublishedConfig(config));
    const input = write(
      'fits.pt',
      published.map(({ name, shape }) => [`model.${name}`, shape]),
    );
    const { code, err } = await run(input, file('fits.safetensors'), ...args());
    expect([err, code]).toEqual(['', 0]);
  });
});

test.each([
  [
    'view-synthesis',
    {
      patch_size: 2,
      dim: 4,
      layers: 1,
      block_config: [
        { type: 'model.SelfAttention', length_dim: 'l', params: { head_dim: 4 } },
        {
          type: 'lact_ttt.FastWeightGluMLPMultihead',
          length_dim: 'vl',
          params: { head_dim: 4, inter_multi: 1 },
        },
      ],
    },
    /^missing: \S+ \[[\d, ]+\]$/m,
  ],
  [
    'video',
    {
      channels: 2,
      windowFrames: 1,
      height: 2,
      width: 2,
      patchSize: [1, 1, 1],
      dim: 12,
      numLayers: 1,
      numHeads: 1,
      ffnDim: 4,
      freqDim: 4,
      textDim: 0,
      fwHeadDim: 12,
    },
    /^missing: blocks\.0\.\S+ \[[\d, ]+\]$/m,
  ],
])('knows the parameters of %s', async (model, config, missing) => {
  fs.writeFileSync(file('model.json'), JSON.stringify(config));
  const args = ['--key', 'ema.shadow', '--model', model, '--config', file('model.json')];
  const { code, err } = await run(checkpoint, file('none.safetensors'), ...args);
  expect(err).toMatch(/^unknown: float32 \[3, 4\]$/m);
  expect(err).toMatch(missing);
  expect(code).toBe(1);
});

test.each([
  [['only-one'], 2, /Expected IN.pt and OUT.safetensors but got 1 names/],
  [['a', 'b', '--config', 'c'], 2, /Expected --model beside --config/],
  [['a', 'b', '--model', 'oracle'], 2, /Expected one of language-model.* but got 'oracle'/],
  [['nowhere.pt', 'b'], 1, /^ERR_CHECKPOINT: nowhere.pt: ENOENT/],
])('%j is refused', async (args, code, message) => {
  const result = await run(...args);
  expect([result.code, result.err]).toEqual([code, expect.stringMatching(message)]);
});
