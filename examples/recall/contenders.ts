import type { Memory } from './recall_model';

/** A kind of memory, named as tables and charts name it. */
export interface Contender {
  name: string;
  memory: Omit<Memory, 'lactChunkSize' | 'windowSize'> & { windowSize?: number };
  /** Initial bias of the step sizes, where 0.001 is too little to learn from. */
  stepSizeBias?: number;
}

const none = { numLactHeads: 0, useMuon: false, useMomentum: false };

/**
 * Steps along the gradient start at a step size of 23: at the published 0.001 a chunk of unit keys
 * moves weights of unit rows by nothing that training could tell from noise. Muon's steps have the
 * size of the weights whatever the step sizes.
 */
const largeSteps = 30;

export const contenders = {
  window: { name: 'window attention alone', memory: none },
  full: { name: 'full attention', memory: { ...none, windowSize: 0 } },
  gradient: {
    name: 'fast weights, gradient steps',
    memory: { numLactHeads: 1, useMuon: false, useMomentum: false },
    stepSizeBias: largeSteps,
  },
  momentum: {
    name: 'fast weights, momentum',
    memory: { numLactHeads: 1, useMuon: false, useMomentum: true },
    stepSizeBias: largeSteps,
  },
  muon: {
    name: 'fast weights, Muon with momentum',
    memory: { numLactHeads: 1, useMuon: true, useMomentum: true },
  },
} satisfies Record<string, Contender>;
