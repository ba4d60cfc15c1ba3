import * as fs from 'node:fs';
import * as path from 'node:path';
import { saveParameters } from 'fastweight';
import { exitCodes, runProgram, useBackend } from '../common/command_line';
import { help, type Options, parseOptions } from './options';
import { writeStrip, writeTurntable } from './pictures';
import { psnrChart, qualityLines, resultsOf } from './results';
import { drawScenes, readScene, type Scenes } from './scenes';
import { defaultSettings, folderSteps, quickSettings, type Settings } from './settings';
import { TrainingRun } from './training_run';

/** Scenes that pictures show. */
const shownScenes = 4;

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    console.log(help);
    return exitCodes.ok;
  }
  await useBackend(options.backend);
  const settings = settingsOf(options);
  fs.mkdirSync(options.out, { recursive: true });
  const scenes = await scenesOf(options, settings);
  const run = new TrainingRun(settings, scenes);
  console.log(`Model: ${run.model.countParams().toLocaleString('en')} parameters\n`);
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
  });
  await run.train(() => interrupted);
  await report(run, options.out);
  return interrupted ? exitCodes.interrupted : exitCodes.ok;
}

function settingsOf({ quick, data, steps }: Options): Settings {
  const standard = quick ? quickSettings : defaultSettings;
  const ownSteps = data !== undefined && !quick ? folderSteps : standard.steps;
  return { ...standard, steps: steps ?? ownSteps };
}

async function scenesOf({ data }: Options, settings: Settings): Promise<Scenes> {
  if (data !== undefined) return readScene(data, settings);
  return drawScenes(settings, (done, total) => {
    if (done % Math.ceil(total / 5) === 0) console.log(`${done} of ${total} scenes drawn`);
  });
}

async function report(run: TrainingRun, folder: string): Promise<void> {
  const results = resultsOf(run);
  const at = (name: string) => path.join(folder, name);
  const shown = run.scenes.measured.slice(0, shownScenes);
  await saveParameters(run.model, at('model.safetensors'));
  await writeStrip(at('strip.png'), run.model, shown);
  await writeTurntable(at('turntable.gif'), run.model, shown, run.settings.frames);
  fs.writeFileSync(at('psnr.svg'), await psnrChart(results));
  fs.writeFileSync(at('results.json'), `${JSON.stringify(results, null, 2)}\n`);
  const { steps, stepsSkipped, seconds, measuredOn } = results;
  console.log(`\n${steps} steps in ${seconds.toFixed(0)} s, ${stepsSkipped} skipped`);
  console.log(`Rendered views of ${measuredOn}:`);
  const last = results.measurements.at(-1);
  for (const line of last ? qualityLines(last) : []) console.log(`  ${line}`);
  const shownFolder = path.relative('.', folder) || '.';
  console.log(`Pictures, turntable, PSNR curves, weights and figures: ${shownFolder}`);
}

runProgram('example:views', main);
