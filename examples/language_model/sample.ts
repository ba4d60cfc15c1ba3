import type { LanguageModel, SamplerOptions } from 'fastweight';
import { Sampler } from 'fastweight';

/** Bytes that the model writes after the prompt. */
export function sampleBytes(
  model: LanguageModel,
  prompt: Uint8Array,
  length: number,
  sampling: SamplerOptions,
): Uint8Array {
  const bytes = new Uint8Array(length);
  const session = model.startSession();
  let at = 0;
  for (const [byte] of session.generate(session.prefill([prompt]), new Sampler(sampling))) {
    bytes[at++] = byte;
    if (at === length) break;
  }
  session.dispose();
  return bytes;
}
