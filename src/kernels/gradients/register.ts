// Gradients are global to tfjs, not a backend's: these repairs serve every backend.
//
// tfjs-core's CommonJS entry registers no gradient; tfjs-layers, which shares its registry,
// registers them all.
import '@tensorflow/tfjs-layers';
import {
  type GradConfig,
  getGradient,
  registerGradient,
  unregisterGradient,
} from '@tensorflow/tfjs-core';
import { einsumGradient } from './einsum';
import { repairs } from './repairs';

/** Replaces tfjs's gradients where they are wrong, and adds what it lacks. */
export function registerGradients(): void {
  registerGradient(einsumGradient);
  for (const [kernelName, repair] of repairs) replaceGradient(repair(getGradient(kernelName)));
}

function replaceGradient(config: GradConfig): void {
  unregisterGradient(config.kernelName); // else tfjs warns in debug mode
  registerGradient(config);
}
