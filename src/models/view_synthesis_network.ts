import { type Tensor, type TensorContainer, tidy } from '@tensorflow/tfjs-core';
import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { FastWeightGluMlp } from '../layers/fast_weight_glu_mlp';
import { GeluMlp } from '../layers/gelu_mlp';
import { LayerNorm } from '../layers/layer_norm';
import { Linear } from '../layers/linear_layer';
import { SelfAttention } from '../layers/self_attention';
import { posedChannels } from './posed_patches';
import type { ResolvedModule, ResolvedViewSynthesisConfig } from './view_synthesis_config';

/** A value as it goes through the layers: while a graph is made, or while numbers are computed. */
export type Value = Tensor | SymbolicTensor;

/** w0, w1 and w2 of one fast-weight module. */
export type WrittenWeights<T extends Value> = [w0: T, w1: T, w2: T];

/** One module of a layer: x + layer(norm(x)). */
interface Residual {
  norm: LayerNorm;
  layer: layers.Layer;
  sum: layers.Layer;
}

/** How a stream goes from one module to the next. */
interface Walk {
  step<T>(compute: () => T): T;
  /** Gives back a value that no later module reads. */
  release(value: Value): void;
}
const symbolic: Walk = { step: (compute) => compute(), release: () => undefined };
const numeric: Walk = {
  step: (compute) => tidy(compute as () => TensorContainer) as never,
  release: (value) => (value as Tensor).dispose(),
};

function walkOf(value: Value): Walk {
  return 'isDisposed' in value ? numeric : symbolic;
}

function applied<T extends Value>(layer: layers.Layer, x: T | T[]): T {
  return layer.apply(x as Tensor | Tensor[]) as T;
}

/**
 * The layers of the view-synthesis model and the two streams through them. Context images are
 * written into the fast weights; images to render only read, so they never change what others see.
 */
export class ViewSynthesisNetwork {
  private readonly embedding: layers.Layer[];
  private readonly residuals: Residual[];
  private readonly decoder: layers.Layer[];
  /** Place of the last fast-weight module: beyond it context has nothing left to write. */
  private readonly lastWritten: number;

  constructor(config: ResolvedViewSynthesisConfig, seed = 0) {
    const { patchSize, dim, layers: depth, blockConfig, initializerRange } = config;
    let next = 1000 * seed;
    const args = (name: string) => ({ name, seed: next++ });
    const pixels = patchSize ** 2;
    const linear = (name: string, inputSize: number, outputSize: number) =>
      new Linear({ inputSize, outputSize, initializerRange, ...args(name) });
    this.embedding = [
      linear('input_linear', posedChannels * pixels, dim),
      new LayerNorm({ stored: false, ...args('input_layernorm') }),
    ];
    const modules = Array.from({ length: depth }, () => blockConfig).flat();
    const ranges = { initializerRange, outputRange: initializerRange / Math.sqrt(modules.length) };
    this.residuals = modules.map((module, at) => {
      const [block, index] = [Math.floor(at / blockConfig.length), at % blockConfig.length];
      const name = `blocks.${block}.module_list.${index}`;
      return {
        norm: new LayerNorm(args(`${name}.ln`)),
        layer: layerOf(module, { hiddenSize: dim, ...ranges, ...args(`${name}.f`) }),
        sum: layers.add({ name: `${name}.residual` }),
      };
    });
    this.lastWritten = this.residuals.map(({ layer }) => isFast(layer)).lastIndexOf(true);
    this.decoder = [
      new LayerNorm(args('image_token_decoder.0')),
      linear('image_token_decoder.1', dim, 3 * pixels),
      layers.activation({ activation: 'sigmoid', name: 'image_token_decoder.2' }),
    ];
  }

  /** All of a model's layers that hold parameters or make a residual connection. */
  get layers(): layers.Layer[] {
    const blocks = this.residuals.flatMap(({ norm, layer, sum }) => [norm, layer, sum]);
    return [...this.embedding, ...blocks, ...this.decoder];
  }

  /** Number of fast-weight modules. */
  get fastModules(): number {
    return this.residuals.filter(({ layer }) => isFast(layer)).length;
  }

  /**
   * Writes context.
   *
   * @param patches [batch, views, patches, patchSize^2 * 12]
   * @returns the fast weights of each module, by depth
   */
  write<T extends Value>(patches: T): WrittenWeights<T>[] {
    const walk = walkOf(patches);
    const written: WrittenWeights<T>[] = [];
    let x = this.embed(patches, walk);
    for (const [at, { norm, layer, sum }] of this.residuals.entries()) {
      if (at > this.lastWritten) break;
      const stepped = walk.step(() => {
        const normed = applied(norm, x);
        if (!isFast(layer)) return [applied(sum, [x, applied(layer, normed)])];
        const weights = layer.apply(normed as Tensor) as unknown as WrittenWeights<T>;
        if (at === this.lastWritten) return [...weights];
        return [...weights, applied(sum, [x, applied(layer, [normed, ...weights])])];
      }) as T[];
      if (isFast(layer)) written.push(stepped.splice(0, 3) as WrittenWeights<T>);
      walk.release(x);
      x = stepped[0];
    }
    return written;
  }

  /**
   * Renders images from what was written.
   *
   * @param patches [batch, views, patches, patchSize^2 * 12]
   * @returns colours in [0, 1], [batch, views, patches, patchSize^2 * 3]
   */
  read<T extends Value>(patches: T, written: readonly WrittenWeights<T>[]): T {
    const walk = walkOf(patches);
    const left = [...written];
    let x = this.embed(patches, walk);
    for (const { norm, layer, sum } of this.residuals) {
      const weights = isFast(layer) ? (left.shift() as WrittenWeights<T>) : [];
      const before = x;
      x = walk.step(() => {
        const normed = applied(norm, before);
        const inputs = weights.length > 0 ? [normed, ...weights] : normed;
        return applied(sum, [before, applied(layer, inputs)]);
      });
      walk.release(before);
    }
    const decoded = walk.step(() => this.decoder.reduce((y, stage) => applied(stage, y), x));
    walk.release(x);
    return decoded;
  }

  private embed<T extends Value>(patches: T, walk: Walk): T {
    return walk.step(() => this.embedding.reduce((y, stage) => applied(stage, y), patches));
  }
}

function isFast(layer: layers.Layer): boolean {
  return layer instanceof FastWeightGluMlp;
}

/** What every module's layer is given besides its own settings. */
interface Shared {
  hiddenSize: number;
  initializerRange: number;
  outputRange: number;
  name: string;
  seed: number;
}

function layerOf(module: ResolvedModule, shared: Shared): layers.Layer {
  switch (module.type) {
    case 'model.SelfAttention':
      return new SelfAttention({ ...shared, ...module.params });
    case 'lact_ttt.FastWeightGluMLPMultihead': {
      const { baseLr: baseStepSize, muonUpdateSteps: muonSteps, ...widths } = module.params;
      return new FastWeightGluMlp({ ...shared, ...widths, baseStepSize, muonSteps });
    }
    case 'model.MLP': {
      const intermediateSize = Math.trunc(shared.hiddenSize * module.params.interMulti);
      return new GeluMlp({ ...shared, intermediateSize });
    }
  }
}
