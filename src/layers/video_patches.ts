import {
  add,
  reshape,
  serialization,
  slice,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { linear } from './linear';
import { modulatedNorm, modulationParameter } from './modulation';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { linearParameters, normal, type ParameterSpec, xavier, zeros } from './parameter_spec';

/** Frames, rows and columns of a patch. */
export type PatchSize = [frames: number, rows: number, columns: number];

export interface PatchConfig {
  /** Channels of the video. */
  channels: number;
  patchSize: PatchSize;
  dim: number;
}

const area = ([frames, rows, columns]: PatchSize) => frames * rows * columns;

/** The parameters of {@link PatchEmbedding}; the weight is that of a convolution, as published. */
export function patchEmbeddingParameters(config: PatchConfig): ParameterSpec[] {
  const { channels, patchSize, dim } = config;
  const std = xavier(channels * area(patchSize), dim);
  return [
    { name: 'weight', shape: [dim, channels, ...patchSize], initializer: normal(std) },
    { name: 'bias', shape: [dim], initializer: zeros },
  ];
}

/**
 * Patches as tokens, frame by frame and row by row.
 * [batch, windows, frames, height, width, channels] -> [batch, windows, tokens, dim]
 */
export class PatchEmbedding extends ParameterLayer {
  static readonly className = 'FastWeightPatchEmbedding';
  private readonly config: PatchConfig;

  constructor(args: PatchConfig & ParameterLayerArgs) {
    super(args);
    const { channels, patchSize, dim } = args;
    this.config = { channels, patchSize, dim };
  }

  protected override parameters(): ParameterSpec[] {
    return patchEmbeddingParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape(inputShape: Shape): Shape {
    const [batch, windows, ...size] = inputShape as number[];
    const counts = this.config.patchSize.map((length, axis) => size[axis] / length);
    return [batch, windows, counts[0] * counts[1] * counts[2], this.config.dim];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => {
      const video = onlyInput(inputs);
      const { channels, patchSize, dim } = this.config;
      const [batch, windows, frames, height, width] = video.shape;
      const [pf, ph, pw] = patchSize;
      const split = [batch * windows, frames / pf, pf, height / ph, ph, width / pw, pw, channels];
      // A patch's values in the order of the convolution's weight: channel, frame, row, column.
      const patches = transpose(reshape(video, split), [0, 1, 3, 5, 7, 2, 4, 6]);
      const values = channels * area(patchSize);
      const flat: Tensor3D = reshape(patches, [batch * windows, -1, values]);
      const weight: Tensor2D = reshape(this.parameter('weight'), [dim, values]);
      const tokens = linear(flat, weight, this.parameter<Tensor1D>('bias'));
      return reshape(tokens, [batch, windows, -1, dim]);
    });
  }
}

export interface VideoHeadConfig extends PatchConfig {
  /** Frames, rows and columns of a window in patches. */
  grid: PatchSize;
  /** Epsilon of the norm. */
  eps: number;
}

/** The parameters of {@link VideoHead}, by their published names within it. */
export function videoHeadParameters(config: VideoHeadConfig): ParameterSpec[] {
  const { channels, patchSize, dim } = config;
  const [weight, bias] = linearParameters('head', [area(patchSize) * channels, dim], 1, true);
  return [{ ...weight, initializer: zeros }, bias, modulationParameter(2, dim)];
}

/**
 * Tokens as video again: a modulated norm, a linear map to each patch's values, patches put together.
 * x [batch, windows, tokens, dim], time embedding [batch, windows, dim]
 * -> [batch, windows, frames, height, width, channels]
 */
export class VideoHead extends ParameterLayer {
  static readonly className = 'FastWeightVideoHead';
  private readonly config: VideoHeadConfig;

  constructor(args: VideoHeadConfig & ParameterLayerArgs) {
    const { name, trainable, seed, ...config } = args;
    super({ name, trainable, seed });
    this.config = config;
  }

  protected override parameters(): ParameterSpec[] {
    return videoHeadParameters(this.config);
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }

  override computeOutputShape([x]: Shape[]): Shape {
    const { channels, patchSize, grid } = this.config;
    return [x[0], x[1], ...grid.map((count, axis) => count * patchSize[axis]), channels];
  }

  override call(inputs: Tensor[]): Tensor {
    return tidy(() => {
      const [x, e] = inputs;
      const { channels, patchSize, grid, dim, eps } = this.config;
      const [batch, windows] = x.shape;
      const own = this.parameter<Tensor3D>('modulation');
      const time: Tensor = reshape(e, [batch, windows, 1, dim]);
      const at = (index: number) => add(slice(own, [0, index, 0], [-1, 1, -1]), time);
      const normed = modulatedNorm(x, at(0), at(1), eps);
      const patches = linear(
        normed,
        this.parameter<Tensor2D>('head.weight'),
        this.parameter<Tensor1D>('head.bias'),
      );
      const split = reshape(patches, [batch * windows, ...grid, ...patchSize, channels]);
      const size = grid.map((count, axis) => count * patchSize[axis]);
      const turned = transpose(split, [0, 1, 4, 2, 5, 3, 6, 7]);
      return reshape(turned, [batch, windows, ...size, channels]);
    });
  }
}

serialization.registerClass(PatchEmbedding);
serialization.registerClass(VideoHead);
