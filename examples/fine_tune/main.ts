import * as fs from 'node:fs';
import * as path from 'node:path';
import { saveParameters } from 'fastweight';
import { exitCodes, runProgram, useBackend } from '../common/command_line';
import { lossChart } from '../common/loss_chart';
import { fineTune } from './fine_tune';
import { help, parseOptions } from './options';
import { readStart } from './start';

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    console.log(help);
    return exitCodes.ok;
  }
  await useBackend(options.backend);
  const start = readStart(options);
  const { model, train, heldOut } = start;
  console.log(`Model: ${model.countParams().toLocaleString('en')} parameters of ${options.from}`);
  console.log(`Text: ${train.length} bytes to train on, ${heldOut.length} kept back\n`);
  const tuned = await fineTune(start, options.steps, options.rate);

  fs.mkdirSync(options.out, { recursive: true });
  const inFolder = (name: string) => path.join(options.out, name);
  await saveParameters(model, inFolder('model.safetensors'));
  const chart = await lossChart({
    title: 'Fine-tuning on another text',
    losses: tuned.losses,
    heldOutName: 'part kept back',
    heldOut: tuned.heldOut,
  });
  fs.writeFileSync(inFolder('loss.svg'), chart);
  fs.writeFileSync(inFolder('results.json'), `${JSON.stringify(tuned, null, 2)}\n`);

  const [before, after] = [tuned.heldOut.at(0), tuned.heldOut.at(-1)].map((measured) =>
    measured?.bitsPerByte.toFixed(3),
  );
  console.log(`\n${tuned.losses.length} steps in ${tuned.seconds.toFixed(0)} s`);
  console.log(`Bits per byte on the part kept back: ${before} before, ${after} after`);
  const out = path.relative('.', options.out) || '.';
  console.log(`Weights, loss curve and figures: ${out}`);
  return exitCodes.ok;
}

runProgram('example:fine-tune', main);
