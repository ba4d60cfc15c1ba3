import {
  dispose,
  keep,
  type Tensor4D,
  type TensorContainer,
  tensor_util,
} from '@tensorflow/tfjs-core';
import type { FastWeightState } from '../ops/fast_weight_state';

/** What one layer remembers of the clean windows that it has read. */
export interface WindowMemory {
  /** The fast weights after the last clean window was written, batch * heads rows. */
  state: FastWeightState;
  /** The last clean window's rotated keys, and its values: [batch, tokens, heads, headDim]. */
  k: Tensor4D;
  v: Tensor4D;
}

/**
 * What a video model remembers between calls while it samples window by window. A call with the
 * cache reads the noisy window that follows the clean ones written so far, and changes nothing; a
 * call within `write` takes the clean window of that place and gives every layer a new memory.
 */
export class VideoCache {
  private windowsWritten = 0;
  private layers = new Map<string, WindowMemory>();
  /** The new memories while a window is written. */
  private pending?: Map<string, WindowMemory>;

  /** Clean windows written so far: the place in the video of the window that comes next. */
  get windows(): number {
    return this.windowsWritten;
  }

  /** Whether the model is to write the window that it is given. */
  get writing(): boolean {
    return this.pending !== undefined;
  }

  /** Runs the model on a clean window. Where that throws the cache stays as it was. */
  write(run: () => void): void {
    const pending = new Map<string, WindowMemory>();
    this.pending = pending;
    try {
      run();
    } catch (error) {
      for (const memory of pending.values()) forget(memory);
      throw error;
    } finally {
      this.pending = undefined;
    }
    this.dispose();
    this.layers = pending;
    this.windowsWritten++;
  }

  /** What the layer of this name remembers; nothing before the first clean window. */
  memoryOf(layer: string): WindowMemory | undefined {
    return this.layers.get(layer);
  }

  /** Takes over a layer's new memory, out of every tidy, within `write`. */
  remember(layer: string, memory: WindowMemory): void {
    const tensors = tensor_util.getTensorsInContainer(memory as unknown as TensorContainer);
    for (const tensor of tensors) keep(tensor);
    this.pending?.set(layer, memory);
  }

  /** Frees what is remembered. */
  dispose(): void {
    for (const memory of this.layers.values()) forget(memory);
    this.layers.clear();
  }
}

function forget({ state, k, v }: WindowMemory): void {
  state.dispose();
  dispose([k, v]);
}
