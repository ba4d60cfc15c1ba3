import * as fs from 'node:fs';
import {
  FastWeightError,
  fromPublishedConfig,
  type LanguageModel,
  languageModel,
  loadParameters,
  textBytes,
} from 'fastweight';
import { UsageError } from '../common/command_line';
import { loadMobyDick } from '../language_model/moby_dick';
import { loadTrainedModel } from '../language_model/trained_model';
import type { Options } from './options';

/** What a fine-tuning begins with. */
export interface Start {
  model: LanguageModel;
  /** Bytes of the text that are trained on, and the last ones, which are not. */
  train: Uint8Array;
  heldOut: Uint8Array;
}

/** Ids that a model of bytes has to know. */
const byteValues = 256;

/** Share of the text that is kept back. */
const heldOutShare = 0.2;

/** Bytes below which neither part of a text would say anything. */
const leastBytes = 2000;

/** @throws UsageError, FastWeightError ERR_CHECKPOINT or ERR_ARGUMENT */
export function readStart({ from, config, text }: Options): Start {
  const bytes = text === undefined ? loadMobyDick().quotations : readText(text);
  if (bytes.length < leastBytes) {
    throw new UsageError(`Expected at least ${leastBytes} bytes of text but got ${bytes.length}`);
  }
  const end = Math.round((1 - heldOutShare) * bytes.length);
  const model = readModel(from, config);
  return { model, train: bytes.subarray(0, end), heldOut: bytes.subarray(end) };
}

function readText(file: string): Uint8Array {
  assertFile('--text', file);
  return textBytes(fs.readFileSync(file, 'utf8'));
}

function assertFile(option: string, file: string): void {
  if (!fs.existsSync(file))
    throw new UsageError(`Expected a file for ${option} but got no ${file}`);
}

function readModel(from: string, configFile: string | undefined): LanguageModel {
  assertFile('--from', from);
  if (configFile === undefined) return loadTrainedModel(from).model;
  assertFile('--config', configFile);
  const config = fromPublishedConfig(JSON.parse(fs.readFileSync(configFile, 'utf8')));
  if (config.vocabSize < byteValues) {
    throw new FastWeightError(
      'ERR_ARGUMENT',
      `Expected a vocabulary of at least the ${byteValues} bytes but got ${config.vocabSize}`,
    );
  }
  const model = languageModel(config);
  loadParameters(model, from);
  return model;
}
