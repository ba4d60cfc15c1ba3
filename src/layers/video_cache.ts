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
 * call while `writing` is set takes the clean window of that place and replaces every layer's memory.
 */
export class VideoCache {
  /** Clean windows written so far: the place in the video of the window that comes next. */
  windows = 0;
  writing = false;
  private readonly layers = new Map<string, WindowMemory>();

  memoryOf(layer: string): WindowMemory | undefined {
    return this.layers.get(layer);
  }

  /** Takes over the memory's tensors, out of every tidy, and frees those that it replaces. */
  remember(layer: string, memory: WindowMemory): void {
    for (const tensor of tensor_util.getTensorsInContainer(memory as unknown as TensorContainer))
      keep(tensor);
    this.forget(this.layers.get(layer));
    this.layers.set(layer, memory);
  }

  dispose(): void {
    for (const memory of this.layers.values()) this.forget(memory);
    this.layers.clear();
  }

  private forget(memory?: WindowMemory): void {
    if (memory === undefined) return;
    memory.state.dispose();
    dispose([memory.k, memory.v]);
  }
}
