import {
  add,
  concat,
  mean,
  mul,
  type Scalar,
  slice,
  squaredDifference,
  sub,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  type Tensor5D,
  tidy,
} from '@tensorflow/tfjs-core';
import { input, LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { expected } from '../native/errors';
import { assertCameras, type Cameras } from '../ops/camera_rays';
import { FastWeightState } from '../ops/fast_weight_state';
import { ssim } from '../ops/image_quality';
import { assertAtLeast } from '../ops/validate';
import {
  assertImageSize,
  assertPosedImages,
  fromColourPatches,
  type ImageSize,
  type PosedImages,
  posedChannels,
  posedPatches,
  posePatches,
  sizeOf,
} from './posed_patches';
import {
  type ResolvedViewSynthesisConfig,
  resolveViewSynthesisConfig,
  type ViewSynthesisConfig,
} from './view_synthesis_config';
import { ViewSynthesisNetwork, type WrittenWeights } from './view_synthesis_network';

/**
 * The LaCT view-synthesis model: context images with cameras go in, images from other cameras come
 * out (arXiv 2505.23884; published as `lact_nvs`). As a tf.layers model it maps patches of context
 * and of targets to patches of colours; `forward`, `reconstruct` and `render` take images and
 * cameras. Parameters carry the published names, see {@link namedParameters}.
 */
export class ViewSynthesisModel extends LayersModel {
  constructor(
    readonly config: ResolvedViewSynthesisConfig,
    private readonly network: ViewSynthesisNetwork,
  ) {
    const shape = [null, null, posedChannels * config.patchSize ** 2];
    const context = input({ shape, name: 'context_patches' });
    const targets = input({ shape, name: 'target_patches' });
    const outputs = network.read<SymbolicTensor>(targets, network.write(context));
    super({ inputs: [context, targets], outputs, name: 'lact_view_synthesis' });
  }

  /**
   * Renders target views from context views.
   *
   * @param context [batch, views, 3, height, width] with cameras
   * @param targets cameras of the views to render, in the same world
   * @param options.training keep what a backward needs; default false
   * @returns colours in [0, 1], [batch, target views, 3, height, width]
   * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT, ERR_NON_FINITE,
   *   ERR_DEVICE_UNAVAILABLE, ERR_OUT_OF_MEMORY
   */
  forward(context: PosedImages, targets: Cameras, options: { training?: boolean } = {}): Tensor5D {
    const { patchSize } = this.config;
    assertPosedImages('context', context, patchSize);
    assertCameras('targets', targets);
    this.assertBatch('targets', context.c2w.shape[0], targets.c2w.shape[0]);
    const size = sizeOf(context.image);
    return tidy(() => {
      const patches = [posedPatches(context, patchSize), posePatches(targets, size, patchSize)];
      const { training = false } = options;
      return fromColourPatches(this.apply(patches, { training }) as Tensor4D, size, patchSize);
    });
  }

  /**
   * Writes context views into fast weights.
   *
   * @returns one state for each fast-weight module by depth, the caller's to dispose
   * @throws FastWeightError as {@link forward}
   */
  reconstruct(context: PosedImages): FastWeightState[] {
    const { patchSize } = this.config;
    assertPosedImages('context', context, patchSize);
    const written = tidy(
      () => this.network.write<Tensor>(posedPatches(context, patchSize)) as never,
    ) as WrittenWeights<Tensor>[];
    return written.map((weights) => {
      const [w0, w1, w2] = weights as Tensor3D[];
      return new FastWeightState({ weights: { w0, w1, w2 } });
    });
  }

  /**
   * Renders views from states, one at a time: memory does not grow with the views but for the
   * images.
   *
   * @param states of {@link reconstruct}; they stay as they are
   * @param cameras any number of views
   * @param size [height, width] of the images, multiples of the patch size
   * @returns what `forward` gives, [batch, views, 3, height, width]
   * @throws FastWeightError as {@link forward}
   */
  render(states: readonly FastWeightState[], cameras: Cameras, size: ImageSize): Tensor5D {
    const { patchSize } = this.config;
    const { fastModules } = this.network;
    if (states.length !== fastModules) {
      throw expected('ERR_ARGUMENT', `${fastModules} states`, 'states', `${states.length}`);
    }
    assertCameras('cameras', cameras);
    assertImageSize('size', size, patchSize);
    const written = states.map(
      ({ weights: { w0, w1, w2 } }): WrittenWeights<Tensor> => [w0, w1, w2],
    );
    const [batch, views] = cameras.c2w.shape;
    return tidy(() => {
      const images = Array.from({ length: views }, (_, view) =>
        tidy(() => {
          const camera = {
            c2w: slice(cameras.c2w, [0, view, 0, 0], [batch, 1, 4, 4]),
            fxfycxcy: slice(cameras.fxfycxcy, [0, view, 0], [batch, 1, 4]),
          };
          const patches = posePatches(camera, size, patchSize);
          const colours = this.network.read<Tensor>(patches, written) as Tensor4D;
          return fromColourPatches(colours, size, patchSize);
        }),
      );
      return concat(images, 1);
    });
  }

  override dispose(): ReturnType<LayersModel['dispose']> {
    const result = super.dispose();
    if (result.refCountAfterDispose > 0) return result;
    // tf.layers counts a layer once for each stream that goes through it.
    for (const layer of this.network.layers) {
      const counted = layer as unknown as { _refCount: number };
      while (counted._refCount > 0) {
        result.numDisposedVariables += layer.dispose().numDisposedVariables;
      }
    }
    return result;
  }

  private assertBatch(name: string, wanted: number, got: number): void {
    if (wanted === got) return;
    throw expected('ERR_SHAPE', `a batch of ${wanted}, as context`, name, `${got}`);
  }
}

/**
 * The LaCT view-synthesis model, untrained.
 *
 * @param config settings that differ from the published 14-layer model
 * @param options.seed of the initial weights, default 0
 * @throws FastWeightError ERR_ARGUMENT for a setting that is unknown or out of its range
 */
export function viewSynthesis(
  config: Partial<ViewSynthesisConfig> = {},
  options: { seed?: number } = {},
): ViewSynthesisModel {
  const resolved = resolveViewSynthesisConfig(config);
  return new ViewSynthesisModel(resolved, new ViewSynthesisNetwork(resolved, options.seed));
}

export interface ViewSynthesisLossOptions {
  /** Weight of 1 - SSIM beside the mean squared error; default 0, which leaves it out. */
  ssimWeight?: number;
}

/**
 * Mean squared error of the rendered targets and, where asked for, their lack of structural
 * similarity.
 *
 * @param context images with cameras, [batch, views, 3, height, width]
 * @param targets the images that the rendering should be, with their cameras
 * @returns a scalar
 * @throws FastWeightError as {@link ViewSynthesisModel.forward}; ERR_RANGE for a negative weight
 */
export function viewSynthesisLoss(
  model: ViewSynthesisModel,
  context: PosedImages,
  targets: PosedImages,
  { ssimWeight = 0 }: ViewSynthesisLossOptions = {},
): Scalar {
  assertPosedImages('targets', targets, model.config.patchSize);
  assertAtLeast('ssimWeight', ssimWeight, 0);
  return tidy(() => {
    const rendering = model.forward(context, targets, { training: true });
    const error = mean<Scalar>(squaredDifference(rendering, targets.image));
    if (ssimWeight === 0) return error;
    const unlike = sub(1, mean(ssim(rendering, targets.image)));
    return add(error, mul(ssimWeight, unlike));
  });
}
