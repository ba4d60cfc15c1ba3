import * as tf from '@tensorflow/tfjs-core';
import { psnr, ssim, type ViewSynthesisModel, viewTensors } from 'fastweight';
import type { Measured } from './scenes';

/** How well views are rendered from a number of context views. */
export interface Quality {
  contextViews: number;
  /** Means over all rendered views; PSNR in dB. */
  psnr: number;
  ssim: number;
}

function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value) / values.length;
}

/** Renders the targets of each scene from its first `contextViews` context views. */
export function renderMeasured(
  model: ViewSynthesisModel,
  { scene, context, targets }: Measured,
  contextViews: number,
): { rendering: tf.Tensor5D; truth: tf.Tensor5D } {
  return tf.tidy(() => {
    const given = viewTensors([scene], [context.slice(0, contextViews)]);
    const wanted = viewTensors([scene], [targets]);
    return { rendering: model.forward(given, wanted), truth: wanted.image };
  });
}

/** Mean PSNR and SSIM over the targets of all scenes, for each number of context views. */
export function measure(
  model: ViewSynthesisModel,
  measured: Measured[],
  contexts: number[],
): Quality[] {
  return contexts.map((contextViews) => {
    const ratios: number[] = [];
    const similarities: number[] = [];
    for (const each of measured) {
      tf.tidy(() => {
        const { rendering, truth } = renderMeasured(model, each, contextViews);
        ratios.push(...psnr(rendering, truth).dataSync());
        similarities.push(...ssim(rendering, truth).dataSync());
      });
    }
    return { contextViews, psnr: meanOf(ratios), ssim: meanOf(similarities) };
  });
}
