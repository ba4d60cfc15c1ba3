import * as fs from 'node:fs';
import * as path from 'node:path';
import { exitCodes, runProgram, useBackend } from '../common/command_line';
import { contenders } from './contenders';
import { help, parseOptions } from './options';
import { accuracyFrom, distanceChart, type Results, table } from './report';
import type { Settings, Stage } from './settings';
import { type Outcome, tryMemory } from './training';

async function main(args: string[]): Promise<number> {
  const { help: helpWanted, settings, out, backend } = parseOptions(args);
  if (helpWanted) {
    console.log(help);
    return exitCodes.ok;
  }
  await useBackend(backend);
  fs.mkdirSync(out, { recursive: true });
  describeTask(settings);
  const results: Results = { settings, memories: [], chunks: [] };
  for (const contender of Object.values(contenders)) {
    console.log(`\n${contender.name}`);
    const outcome = await tryMemory(contender, settings.chunk, settings.stages, settings);
    results.memories.push(outcome);
    describeOutcome(outcome, settings);
    await write(results, out);
  }
  for (const chunk of settings.chunks) {
    console.log(`\nMuon, chunks of ${chunk} tokens`);
    const outcome = await tryMemory(contenders.muon, chunk, chunkStages(chunk, settings), settings);
    results.chunks.push(outcome);
    describeOutcome(outcome, settings);
    await write(results, out);
  }
  console.log(`\n${fs.readFileSync(path.join(out, 'recall.md'), 'utf8')}`);
  console.log(`Table, charts and figures: ${path.relative('.', out) || '.'}`);
  return exitCodes.ok;
}

/** Sequences of a few chunks, the same number for every chunk size; then long ones. */
function chunkStages(chunk: number, settings: Settings): Stage[] {
  const { chunkSequences, chunkBatch, chunkTokens, chunkEnd, window } = settings;
  const tokens = Math.max(2 * chunk, 4 * window);
  const batch = Math.min(chunkBatch, Math.max(1, Math.round(chunkTokens / tokens)));
  return [{ steps: Math.ceil(chunkSequences / batch), batch, tokens }, chunkEnd];
}

function describeTask({ task, window, testTokens }: Settings): void {
  const { pairs, keys, values } = task;
  console.log(
    `${pairs} pairs of ${keys} keys and ${values} values, told back over ${testTokens} tokens;`,
  );
  console.log(`a guess is right in ${(100 / values).toFixed(1)}%, a guess among the values shown`);
  console.log(`in ${(100 / pairs).toFixed(1)}%. The attention's window is ${window} tokens.`);
}

function describeOutcome({ byDistance, parameters }: Outcome, { window }: Settings): void {
  const far = (100 * accuracyFrom(window, byDistance)).toFixed(1);
  console.log(`${parameters} parameters; ${far}% right beyond the window`);
}

async function write(results: Results, out: string): Promise<void> {
  const { memories, chunks } = results;
  const inFolder = (name: string) => path.join(out, name);
  const tables = [table(memories, 'memory', ({ name }) => name)];
  const chart = await distanceChart(memories, 'What is recalled, by kind of memory', (o) => o.name);
  fs.writeFileSync(inFolder('memories.svg'), chart);
  if (chunks.length > 0) {
    const rowName = ({ chunk }: Outcome) => `Muon, chunk ${chunk}`;
    tables.push(table(chunks, 'chunk size', rowName));
    const chunkChart = await distanceChart(chunks, 'What is recalled, by chunk size', rowName);
    fs.writeFileSync(inFolder('chunks.svg'), chunkChart);
  }
  fs.writeFileSync(inFolder('recall.md'), `${tables.join('\n\n')}\n`);
  fs.writeFileSync(inFolder('results.json'), `${JSON.stringify(results, null, 2)}\n`);
}

runProgram('experiment:recall', main);
