import '../kernels/register';
import * as fs from 'node:fs';
import { parseArgs } from 'node:util';
import { namingFile, withFile } from '../io/byte_source';
import { writeStoredTensors } from '../io/safetensors';
import { torchTensors } from '../io/torch_checkpoint';
import type { TorchTensor } from '../io/torch_tensors';
import { differencesFrom, publishedModels } from '../models/published_tables';
import { expected, FastWeightError } from '../native/errors';
import { type Command, exitCodes, type Output, UsageError } from './command';

const modelNames = [...publishedModels.keys()];

const help = `usage: fastweight convert IN.pt OUT.safetensors [--key KEY] [--model NAME [--config FILE]]

Writes the tensors of a PyTorch checkpoint (torch.save, PyTorch 1.6 and later) as safetensors, element
for element and in the dtype that they have. The checkpoint is read, not run: one that names anything
but tensors and plain data is refused. 'module.' and '_orig_mod.' before names are dropped.

  --key KEY      which of the checkpoint's dicts holds the parameters, such as model or state.ema;
                 found by itself where there is one, or one of the usual names
  --model NAME   refuses tensors that are not the parameters of this model: ${modelNames.join(', ')}
  --config FILE  the model's config as JSON: of language-model and view-synthesis the published one,
                 of video settings by the names of VideoDiffusionConfig; left out, its published
                 defaults

Exit code: 0 where OUT was written, 1 where it was not, 2 where the command line was wrong.`;

/** `fastweight convert`: a PyTorch checkpoint becomes a safetensors file. */
export const convertCommand: Command = {
  name: 'convert',
  summary: 'writes the tensors of a PyTorch checkpoint as a safetensors file',
  help,
  async run(args, output) {
    const { input, target, key, check } = parse(args);
    withFile(input, (source) => {
      const tensors = torchTensors(source, key);
      check(tensors, output);
      writeStoredTensors(target, tensors, { format: 'pt' });
      output.write(summary(tensors, target));
    });
    return exitCodes.ok;
  },
};

/** A model that is quite another one differs in hundreds of names. */
const mostLines = 20;

type Tensors = ReadonlyMap<string, TorchTensor>;

interface Conversion {
  input: string;
  target: string;
  key: string | undefined;
  /** Throws where the tensors are not those of the model that was asked for. */
  check: (tensors: Tensors, output: Output) => void;
}

function parse(args: readonly string[]): Conversion {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { key: { type: 'string' }, model: { type: 'string' }, config: { type: 'string' } },
  });
  const [input, target] = positionals;
  if (positionals.length !== 2) {
    throw new UsageError(`Expected IN.pt and OUT.safetensors but got ${positionals.length} names`);
  }
  const { key, model, config } = values;
  if (model === undefined) {
    if (config !== undefined) throw new UsageError('Expected --model beside --config but got none');
    return { input, target, key, check: () => {} };
  }
  if (!publishedModels.has(model)) {
    const names = modelNames.join(', ');
    throw new UsageError(`Expected one of ${names} for --model but got '${model}'`);
  }
  return { input, target, key, check: checkOf(model, config) };
}

/** The check against a model's table, which is made before the checkpoint is read. */
function checkOf(model: string, configFile: string | undefined): Conversion['check'] {
  const published = publishedModels.get(model);
  if (published === undefined) throw expected('ERR_ARGUMENT', 'a published model', 'model', model);
  const table = published.table(configFile === undefined ? undefined : readJson(configFile));
  return (tensors, output) => {
    const differences = differencesFrom(published, table, tensors);
    if (differences.length === 0) return;
    for (const line of differences.slice(0, mostLines)) output.writeError(line);
    const more = differences.length - mostLines;
    if (more > 0) output.writeError(`and ${more} more`);
    throw new FastWeightError(
      'ERR_CHECKPOINT',
      `Expected the parameters of ${model} but got ${differences.length} that differ`,
    );
  };
}

function readJson(file: string): Record<string, unknown> {
  return namingFile(file, () => JSON.parse(fs.readFileSync(file, 'utf8')));
}

function summary(tensors: Tensors, target: string): string {
  const counts = new Map<string, number>();
  let elements = 0;
  for (const tensor of tensors.values()) {
    counts.set(tensor.dtype, (counts.get(tensor.dtype) ?? 0) + 1);
    elements += tensor.elements;
  }
  const dtypes = [...counts].map(([dtype, count]) => `${count} ${dtype}`).join(', ');
  const total = elements.toLocaleString('en');
  const noun = tensors.size === 1 ? 'tensor' : 'tensors';
  return `${tensors.size} ${noun} (${dtypes}), ${total} elements: ${target}`;
}
