import * as fs from 'node:fs';
import * as path from 'node:path';
import { saveParameters } from 'fastweight';
import { exitCodes, runProgram, UsageError, useBackend } from '../common/command_line';
import { loadMovingMnist } from './moving_mnist';
import { help, parseOptions } from './options';
import { lossChart, type Results, resultsOf } from './results';
import { writeSamples } from './samples';
import { defaultSettings, quickSettings } from './settings';
import { TrainingRun } from './training_run';

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    console.log(help);
    return exitCodes.ok;
  }
  const interrupted = watchInterrupts();
  await useBackend('fastweight-cpu');
  fs.mkdirSync(options.out, { recursive: true });
  const at = (name: string) => path.join(options.out, name);
  const checkpoint = at('checkpoint.safetensors');
  const run = options.resume ? await resume(checkpoint) : start(options);
  await run.train(interrupted);
  await run.save(checkpoint);
  if (!run.finished) {
    const { stepsDone } = run.trainer;
    const file = path.relative('.', checkpoint);
    console.log(`\nStopped after step ${stepsDone}; the checkpoint is ${file}`);
    console.log(`Go on with: npm run example:video -- --resume${outArgument(options.out)}`);
    return exitCodes.interrupted;
  }
  const files = { strip: at('samples.png'), animation: at('samples.gif') };
  const { settings } = run.record;
  const samples = await writeSamples(run.model, run.data, settings, files);
  const results = resultsOf(run, samples);
  await saveParameters(run.model, at('model.safetensors'));
  fs.writeFileSync(at('loss.svg'), await lossChart(results));
  fs.writeFileSync(at('results.json'), `${JSON.stringify(results, null, 2)}\n`);
  describe(results, options.out);
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

function start({ quick, steps }: { quick: boolean; steps: number }): TrainingRun {
  const settings = quick ? quickSettings : defaultSettings;
  const run = TrainingRun.start(settings, steps, loadMovingMnist(settings.digitSize));
  const parameters = run.model.countParams().toLocaleString('en');
  console.log(`Model: ${parameters} parameters; ${steps} steps of ${settings.batch} videos\n`);
  return run;
}

async function resume(checkpoint: string): Promise<TrainingRun> {
  if (!fs.existsSync(checkpoint)) {
    const got = `no ${checkpoint}`;
    throw new UsageError(`Expected a checkpoint for --resume but got ${got}: start without it`);
  }
  const run = await TrainingRun.resume(checkpoint, ({ digitSize }) => loadMovingMnist(digitSize));
  console.log(`Going on after step ${run.trainer.stepsDone} of ${run.record.steps}`);
  return run;
}

function outArgument(folder: string): string {
  const standard = parseOptions([]).out;
  return folder === standard ? '' : ` --out ${path.relative('.', folder) || '.'}`;
}

function describe({ steps, seconds, heldOut, samples }: Results, folder: string): void {
  const list = (values: number[]) => values.map((value) => value.toFixed(3)).join(' ');
  const [first, last] = [heldOut[0], heldOut[heldOut.length - 1]];
  console.log(`\n${steps} steps in ${seconds.toFixed(0)} s`);
  console.log(
    `Loss on held-out digits: ${first.loss.toFixed(4)} before, ${last.loss.toFixed(4)} after`,
  );
  console.log(`Squared error of the velocity by window: ${list(last.windowErrors)}`);
  console.log('Squared error of the brightness by frame');
  console.log(`  of videos that go on:        ${list(samples.continuationErrors)}`);
  console.log(`  of the last frame repeated:  ${list(samples.standstillErrors)}`);
  console.log(`Samples, loss curve, weights and figures: ${path.relative('.', folder) || '.'}`);
}

runProgram('example:video', main);
