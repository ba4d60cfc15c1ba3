import {
  concat,
  mul,
  reshape,
  sub,
  type Tensor,
  type Tensor4D,
  type Tensor5D,
  tidy,
  transpose,
  zeros,
} from '@tensorflow/tfjs-core';
import { expected } from '../native/errors';
import {
  assertCameras,
  type CameraRays,
  type Cameras,
  cameraRays,
  crossProduct,
} from '../ops/camera_rays';
import { assertTensor } from '../ops/validate';

/** Images with the cameras that took them. */
export interface PosedImages extends Cameras {
  /** Colours in [0, 1], [batch, views, 3, height, width]. */
  image: Tensor5D;
}

/** Values of a pixel that the model sees: ray origin, direction, origin x direction, colour. */
export const posedChannels = 12;

/** Height and width in pixels. */
export type ImageSize = readonly [height: number, width: number];

/** Throws ERR_SHAPE unless patches of `patchSize` fill images of this size. */
export function assertImageSize(name: string, size: ImageSize, patchSize: number): void {
  if (size.length === 2 && size.every((pixels) => pixels > 0 && pixels % patchSize === 0)) return;
  const expectation = `height and width that are multiples of the patch size ${patchSize}`;
  throw expected('ERR_SHAPE', expectation, name, `[${size}]`);
}

/** Throws unless these are images with cameras: ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT. */
export function assertPosedImages(name: string, images: PosedImages, patchSize: number): void {
  assertCameras(name, images);
  const [batch, views] = images.c2w.shape;
  assertTensor(`${name}.image`, images.image, [batch, views, 3, 'height', 'width']);
  assertImageSize(`${name}.image`, sizeOf(images.image), patchSize);
}

export function sizeOf(image: Tensor5D): ImageSize {
  return [image.shape[3], image.shape[4]];
}

/**
 * The patches of posed images, row by row: of each pixel the ray's origin, its direction, origin x
 * direction and the colour scaled to [-1, 1] (Pluecker rays, as in arXiv 2410.17242).
 *
 * @returns [batch, views, patches, patchSize * patchSize * 12], pixels outermost
 */
export function posedPatches(images: PosedImages, patchSize: number): Tensor4D {
  return tidy(() => {
    const [height, width] = sizeOf(images.image);
    const colours = transpose(images.image, [0, 1, 3, 4, 2]);
    const rays = cameraRays(images, height, width);
    return toPatches(channels(rays, sub(mul(colours, 2), 1)), patchSize);
  });
}

/** As {@link posedPatches} for views that are to be rendered: zeros instead of the colour. */
export function posePatches(cameras: Cameras, size: ImageSize, patchSize: number): Tensor4D {
  return tidy(() => {
    const rays = cameraRays(cameras, size[0], size[1]);
    return toPatches(channels(rays, zeros(rays.origins.shape)), patchSize);
  });
}

function channels({ origins, directions }: CameraRays, colours: Tensor): Tensor {
  return concat([origins, directions, crossProduct(origins, directions), colours], 4);
}

/** [batch, views, height, width, channels] -> [batch, views, patches, patchSize^2 * channels] */
function toPatches(x: Tensor, patchSize: number): Tensor4D {
  const [batch, views, height, width, depth] = x.shape;
  const [rows, columns] = [height / patchSize, width / patchSize];
  const split = reshape(x, [batch * views, rows, patchSize, columns, patchSize * depth]);
  const turned = transpose(split, [0, 1, 3, 2, 4]);
  return reshape(turned, [batch, views, rows * columns, patchSize ** 2 * depth]);
}

/** Patches of colours [batch, views, patches, patchSize^2 * 3] -> [batch, views, 3, height, width] */
export function fromColourPatches(x: Tensor4D, size: ImageSize, patchSize: number): Tensor5D {
  const [batch, views] = x.shape;
  const [rows, columns] = [size[0] / patchSize, size[1] / patchSize];
  return tidy(() => {
    const split = reshape(x, [batch * views, rows, columns, patchSize, patchSize, 3]);
    const turned = transpose(split, [0, 5, 1, 3, 2, 4]);
    return reshape(turned, [batch, views, 3, size[0], size[1]]);
  });
}
