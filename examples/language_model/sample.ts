import type { Tensor2D } from '@tensorflow/tfjs-core';
import {
  type LanguageModel,
  type LanguageModelSession,
  Sampler,
  type SamplerOptions,
} from 'fastweight';

/** Bytes that the model writes after the prompt. */
export function sampleBytes(
  model: LanguageModel,
  prompt: Uint8Array,
  length: number,
  sampling: SamplerOptions,
): Uint8Array {
  const session = model.startSession();
  const bytes = sampleAfter(session, session.prefill([prompt]), length, sampling);
  session.dispose();
  return bytes;
}

/** Bytes that a session writes on, the next of which have these logits, which are disposed of. */
export function sampleAfter(
  session: LanguageModelSession,
  logits: Tensor2D,
  length: number,
  sampling: SamplerOptions,
): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const [byte] of session.generate(logits, new Sampler(sampling))) {
    bytes[at++] = byte;
    if (at === length) break;
  }
  return bytes;
}
