import * as fs from 'node:fs';
import { languageModel, loadParameters, saveParameters } from '../../src/index';
import { Example } from '../support/examples';
import { useNativeBackend } from '../support/operations';

const example = new Example('fine_tune');

afterAll(() => example.dispose());

/** A small model's config, as published ones name its settings. */
const config = {
  vocab_size: 256,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attn_heads: 2,
  num_lact_heads: 1,
  window_size: 16,
  lact_chunk_size: 16,
  intermediate_size: 24,
  initializer_range: 0.05,
  use_muon: true,
};

const settings = {
  vocabSize: 256,
  hiddenSize: 16,
  numHiddenLayers: 1,
  numAttnHeads: 2,
  numLactHeads: 1,
  windowSize: 16,
  lactChunkSize: 16,
  intermediateSize: 24,
  initializerRange: 0.05,
  useMuon: true,
};

beforeAll(async () => {
  await useNativeBackend();
  await saveParameters(languageModel(settings, { seed: 2 }), example.file('start.safetensors'));
  fs.writeFileSync(example.file('config.json'), JSON.stringify(config));
  fs.writeFileSync(example.file('text.txt'), 'Call me Ishmael. Some years ago. '.repeat(200));
});

const published = ['--from', 'start.safetensors', '--config', 'config.json'];

test('learns a text from published weights and leaves weights that load, a chart and figures', async () => {
  const more = ['--text', 'text.txt', '--steps', '30', '--rate', '0.01', '--out', 'tuned'];
  const { code, out, errors } = await example.run([...published, ...more]);
  expect([errors, code]).toEqual(['', 0]);
  expect(out).toMatch(/Text: 5280 bytes to train on, 1320 kept back/);
  expect(out).toMatch(/step 30\/30: \d\.\d+ bits\/byte/);
  expect(out).toMatch(/on the part kept back: [78]\.\d+ before, [0-6]\.\d+ after/);
  const { heldOut, losses } = JSON.parse(example.text('tuned', 'results.json'));
  expect(losses).toHaveLength(30);
  expect(heldOut).toHaveLength(5);
  expect(heldOut[4]).toMatchObject({ step: 30 });
  expect(heldOut[4].bitsPerByte).toBeLessThan(heldOut[0].bitsPerByte - 1);
  expect(example.text('tuned', 'loss.svg')).toMatch(/^<svg.*part kept back.*<\/svg>/s);
  const model = languageModel(settings);
  loadParameters(model, example.file('tuned', 'model.safetensors'));
  model.dispose();
});

test("goes on from the demo's checkpoint on the quotations it has not seen", async () => {
  const demo = new Example('language_model');
  const trained = await demo.run(['--quick', '--steps', '5', '--out', 'demo']);
  expect([trained.errors, trained.code]).toEqual(['', 0]);
  const from = ['--from', demo.file('demo', 'checkpoint.safetensors')];
  const { code, out, errors } = await example.run([...from, '--quick', '--out', 'chapters']);
  demo.dispose();
  expect([errors, code]).toEqual(['', 0]);
  const [, before, after] = /kept back: (\S+) before, (\S+) after/.exec(out) ?? [];
  expect(Number(after)).toBeLessThan(Number(before));
});

test.each([
  [['--from', 'nowhere.safetensors'], 2, /Expected a file for --from but got no nowhere/],
  [[...published, '--text', 'none.txt'], 2, /Expected a file for --text but got no none.txt/],
  [['--from', 'start.safetensors'], 1, /^ERR_CHECKPOINT: .*for the format of start.safetensors/],
  [['--quick', '--steps', '3'], 2, /Expected --quick or --steps but got both/],
  [['--rate', '0'], 2, /Expected a number above 0 for --rate/],
])('%j is refused', async (args, wanted, message) => {
  const { code, errors } = await example.run(args);
  expect([code, errors]).toEqual([wanted, expect.stringMatching(message)]);
});
