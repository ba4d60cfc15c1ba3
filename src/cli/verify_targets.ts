// tfjs-core's CommonJS entry registers no gradients; tfjs-layers does.
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import { type Implementation, referenceImplementation } from '../reference';

/** What `fastweight verify --backend NAME` checks. */
export interface VerifyTarget {
  /** The tfjs backend that the implementation runs on. */
  readonly backend: string;
  readonly implementation: Implementation;
}

export const verifyTargets: ReadonlyMap<string, VerifyTarget> = new Map([
  ['reference', { backend: 'cpu', implementation: referenceImplementation }],
]);

export const defaultVerifyTarget = 'reference';
