import * as fs from 'node:fs';
import * as path from 'node:path';
import { saveParameters } from 'fastweight';
import { exitCodes, runProgram, UsageError, useBackend } from '../common/command_line';
import { type Book, loadMobyDick } from './moby_dick';
import { help, type Options, parseOptions } from './options';
import { checkAgainstReference } from './reference_check';
import { demoLossChart, resultsOf } from './results';
import { sampleBytes } from './sample';
import { attentionAlone, demoSettings, quickSettings, type Settings } from './settings';
import { TrainingRun } from './training_run';

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    console.log(help);
    return exitCodes.ok;
  }
  const interrupted = watchInterrupts();
  await useBackend(options.backend);
  const book = loadMobyDick();
  fs.mkdirSync(options.out, { recursive: true });
  const files = filesIn(options.out);
  const run = options.resume ? await resume(files.checkpoint, book) : await start(options, book);
  describeRun(run);
  await run.train(interrupted);
  await run.save(files.checkpoint);
  if (!run.finished) {
    const { stepsDone } = run.trainer;
    console.log(
      `\nStopped after step ${stepsDone}; the checkpoint is ${path.relative('.', files.checkpoint)}`,
    );
    console.log(`Go on with: npm run demo -- --resume${outArgument(options.out)}`);
    return exitCodes.interrupted;
  }
  await report(run, book, files);
  return exitCodes.ok;
}

/** Asks for an end at the first Ctrl-C, and ends at once at a second one. */
function watchInterrupts(): () => boolean {
  let first = 0;
  process.on('SIGINT', () => {
    // A terminal and the npm around this may both pass on the same Ctrl-C.
    if (first > 0 && performance.now() - first > 500) process.exit(exitCodes.interrupted);
    if (first === 0) first = performance.now();
  });
  return () => first > 0;
}

function filesIn(folder: string) {
  const at = (name: string) => path.join(folder, name);
  return {
    checkpoint: at('checkpoint.safetensors'),
    model: at('model.safetensors'),
    chart: at('loss.svg'),
    sample: at('sample.txt'),
    results: at('results.json'),
  };
}

/** A new run, after its first step was checked and its start was measured. */
async function start(options: Options, book: Book): Promise<TrainingRun> {
  const sized = options.quick ? quickSettings : demoSettings;
  const settings = options.attention ? attentionAlone(sized) : sized;
  const { checkedTokens } = settings;
  console.log(`One training step on ${options.backend} against plain TensorFlow.js, relative`);
  console.log(`errors beside their tolerances, ${checkedTokens} bytes:`);
  for (const line of await checkAgainstReference(settings, book.train, options.backend)) {
    console.log(line);
  }
  const length =
    options.steps === undefined ? { seconds: 60 * options.minutes } : { steps: options.steps };
  return TrainingRun.start(settings, length, book);
}

async function resume(checkpoint: string, book: Book): Promise<TrainingRun> {
  if (!fs.existsSync(checkpoint)) {
    const got = `no ${checkpoint}`;
    throw new UsageError(`Expected a checkpoint for --resume but got ${got}: start without it`);
  }
  const run = await TrainingRun.resume(checkpoint, book);
  console.log(
    `Going on after step ${run.trainer.stepsDone} of ${run.record.totalSteps ?? 'an open number'}`,
  );
  return run;
}

function outArgument(folder: string): string {
  const standard = parseOptions([]).out;
  return folder === standard ? '' : ` --out ${path.relative('.', folder) || '.'}`;
}

function describeRun({ model, record }: TrainingRun): void {
  const { batch, tokens } = record.settings;
  const parameters = model.countParams().toLocaleString('en');
  console.log(`Model: ${parameters} parameters; a step reads ${batch * tokens} bytes\n`);
}

/** The start of the held-out text and what the model writes after it. */
function writeSample({ model, record }: TrainingRun, { heldOut }: Book): [string, string] {
  const { promptBytes, seed, sampleBytes: length }: Settings = record.settings;
  const prompt = heldOut.subarray(0, promptBytes);
  const written = sampleBytes(model, prompt, length, { temperature: 0.8, topK: 40, seed });
  return [prompt, written].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
}

async function report(
  run: TrainingRun,
  book: Book,
  files: ReturnType<typeof filesIn>,
): Promise<void> {
  const results = resultsOf(run);
  const [prompt, written] = writeSample(run, book);
  await saveParameters(run.model, files.model);
  fs.writeFileSync(files.chart, await demoLossChart(results));
  fs.writeFileSync(files.sample, `${prompt}${written}\n`);
  fs.writeFileSync(files.results, `${JSON.stringify(results, null, 2)}\n`);
  console.log(
    `\nA sample; the first ${run.record.settings.promptBytes} bytes are held-out text:\n`,
  );
  console.log(`${prompt}>>>${written}\n`.replace(/^/gm, '    '));
  const { steps, seconds, tokensPerSecond } = results;
  console.log(`${steps} steps in ${seconds.toFixed(0)} s, ${tokensPerSecond} tokens/s`);
  const [start, end] = [results.heldOut.at(0), results.heldOut.at(-1)].map((measured) =>
    measured?.bitsPerByte.toFixed(3),
  );
  console.log(`Bits per byte on held-out chapters: ${start} before, ${end} after`);
  console.log(
    `Loss curve, sample, weights and figures: ${path.relative('.', path.dirname(files.results)) || '.'}`,
  );
}

runProgram('demo', main);
