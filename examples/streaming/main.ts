import * as fs from 'node:fs';
import * as path from 'node:path';
import { exitCodes, runProgram, useBackend } from '../common/command_line';
import { type Book, loadMobyDick } from '../language_model/moby_dick';
import { sampleAfter } from '../language_model/sample';
import { demoSettings, quickSettings } from '../language_model/settings';
import { TrainingRun } from '../language_model/training_run';
import { memoryChart, stackedPng, timeChart } from './charts';
import { help, type Options, parseOptions } from './options';
import { type Measured, readPrompt } from './stream';

/** Steps that a model is trained where there is no checkpoint. */
const standardSteps = 100;

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    console.log(help);
    return exitCodes.ok;
  }
  await useBackend('fastweight-cpu');
  const book = loadMobyDick();
  fs.mkdirSync(options.out, { recursive: true });
  const { model, record } = await trainedRun(options, book);
  const prompt = promptOf(book, options.tokens);
  console.log(`\nReading a prompt of ${prompt.length} bytes in one session:`);
  const session = model.startSession();
  const { measured, logits } = await readPrompt(session, prompt);
  await writeFigures(measured, options.out);
  const { numHiddenLayers, hiddenSize } = record.settings.model as typeof demoSettings.model;
  const perToken = 2 * 4 * (numHiddenLayers as number) * (hiddenSize as number);
  describe(measured, perToken * prompt.length);
  const sampling = { temperature: 0.8, topK: 40, seed: options.seed };
  const written = sampleAfter(session, logits, options.sample, sampling);
  session.dispose();
  const [end, sample] = [prompt.subarray(-100), written].map((bytes) =>
    new TextDecoder().decode(bytes),
  );
  fs.writeFileSync(path.join(options.out, 'sample.txt'), `${end}${sample}\n`);
  console.log("\nThe prompt's end and what the model writes after it:\n");
  console.log(`${end}>>>${sample}\n`.replace(/^/gm, '    '));
  console.log(`Charts, sample and figures: ${path.relative('.', options.out) || '.'}`);
  return exitCodes.ok;
}

/** The demo's model from its checkpoint, or one that is trained for a moment. */
async function trainedRun(options: Options, book: Book): Promise<TrainingRun> {
  const { checkpoint, trainSteps, quick } = options;
  if (trainSteps === undefined && fs.existsSync(checkpoint)) {
    const run = await TrainingRun.resume(checkpoint, book);
    console.log(`The model of ${path.relative('.', checkpoint)}, step ${run.trainer.stepsDone}`);
    return run;
  }
  const steps = trainSteps ?? standardSteps;
  if (trainSteps === undefined) {
    console.log(`There is no ${path.relative('.', checkpoint)}; 'npm run demo' would make one`);
  }
  console.log(`Training a model for ${steps} steps:`);
  const settings = quick ? quickSettings : demoSettings;
  const run = TrainingRun.start(
    { ...settings, evaluations: 1, heldOutBytes: 4096 },
    { steps },
    book,
  );
  await run.train(() => false);
  return run;
}

/** So many bytes of the book, from its beginning, which comes again after its end. */
function promptOf({ train }: Book, bytes: number): Uint8Array {
  const prompt = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += train.length) {
    prompt.set(train.subarray(0, bytes - at), at);
  }
  return prompt;
}

async function writeFigures(measured: Measured[], folder: string): Promise<void> {
  const [memory, time] = [await memoryChart(measured), await timeChart(measured)];
  fs.writeFileSync(path.join(folder, 'memory.svg'), memory);
  fs.writeFileSync(path.join(folder, 'time.svg'), time);
  fs.writeFileSync(path.join(folder, 'stream.png'), await stackedPng([memory, time]));
  fs.writeFileSync(path.join(folder, 'results.json'), `${JSON.stringify({ measured }, null, 2)}\n`);
}

/** @param fullBytes of the keys and values of attention to the whole prompt */
function describe(measured: readonly Measured[], fullBytes: number): void {
  const kib = (bytes: number) => `${Math.round(bytes / 1024).toLocaleString('en')} KiB`;
  const last = measured[measured.length - 1];
  const most = (of: (each: Measured) => number) => Math.max(...measured.map(of));
  const early = measured[Math.floor(measured.length / 10)];
  console.log(
    `\nThe session holds ${kib(last.sessionBytes)}, at most ${kib(most((m) => m.sessionBytes))};`,
    `keys and values of attention to the whole prompt would take ${kib(fullBytes)}`,
  );
  console.log(
    `All tensors: ${kib(early.nativeBytes)} after ${early.tokens} bytes,`,
    `${kib(last.nativeBytes)} after ${last.tokens}`,
  );
  const median = (of: (each: Measured) => number, part: readonly Measured[]) =>
    part.map(of).sort((a, b) => a - b)[Math.floor(part.length / 2)];
  const half = Math.ceil(measured.length / 2);
  const [first, second] = [measured.slice(0, half), measured.slice(-half)];
  const times = (of: (each: Measured) => number) =>
    [first, second].map((part) => median(of, part).toFixed(3)).join(' then ');
  console.log(
    `A byte takes ${times((m) => m.readMs)} ms to read (medians of the prompt's halves),`,
    `${times((m) => m.stepMs)} ms one at a time`,
  );
}

runProgram('example:streaming', main);
