import {
  add,
  broadcastTo,
  concat,
  div,
  matMul,
  mul,
  ones,
  range,
  reshape,
  slice,
  sub,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  type Tensor5D,
  tidy,
} from '@tensorflow/tfjs-core';
import { withFloat32Products } from '../backend/matmul_precision';
import { l2Norm } from './norms';
import { assertBackend, assertInteger, assertTensor } from './validate';

/** Cameras of views, in OpenCV's axes: x right, y down, z forward. */
export interface Cameras {
  /** Camera to world, [batch, views, 4, 4]. */
  c2w: Tensor4D;
  /** Focal lengths and principal point in pixels, [batch, views, 4]: fx, fy, cx, cy. */
  fxfycxcy: Tensor3D;
}

/** Rays in world space, [batch, views, height, width, 3] each. */
export interface CameraRays {
  origins: Tensor5D;
  /** Of length 1. */
  directions: Tensor5D;
}

/** Throws ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED or ERR_ARGUMENT unless these are cameras. */
export function assertCameras(name: string, { c2w, fxfycxcy }: Cameras): void {
  assertTensor(`${name}.c2w`, c2w, ['batch', 'views', 4, 4]);
  assertTensor(`${name}.fxfycxcy`, fxfycxcy, [c2w.shape[0], c2w.shape[1], 4]);
}

/**
 * The ray of every pixel, through its centre: pixel (x, y) stands at (x + 0.5, y + 0.5).
 *
 * @param height, width of the images in pixels
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_DISPOSED, ERR_ARGUMENT,
 *   ERR_DEVICE_UNAVAILABLE
 */
export function cameraRays(cameras: Cameras, height: number, width: number): CameraRays {
  assertBackend('cameraRays');
  assertCameras('cameras', cameras);
  assertInteger('height', height, 1);
  assertInteger('width', width, 1);
  const { c2w, fxfycxcy } = cameras;
  const [batch, views] = c2w.shape;
  const count = batch * views;
  const shape = [batch, views, height, width, 3] as [number, number, number, number, number];
  return tidy(() => {
    const intrinsics = reshape(fxfycxcy, [count, 4]);
    const matrices = reshape(c2w, [count, 4, 4]);
    const of = (x: Tensor, first: number) => slice(x, [0, first], [count, 1]);
    /** Where pixel centres along one axis meet the plane z = 1, [count, pixels]. */
    const onPlane = (pixels: number, focal: number, centre: number): Tensor => {
      const at = reshape(add(range(0, pixels), 0.5), [1, pixels]);
      return div(sub(at, of(intrinsics, centre)), of(intrinsics, focal));
    };
    const grid = [count, height, width, 1];
    const x = broadcastTo(reshape(onPlane(width, 0, 2), [count, 1, width, 1]), grid);
    const y = broadcastTo(reshape(onPlane(height, 1, 3), [count, height, 1, 1]), grid);
    const inCamera = reshape(concat([x, y, ones(grid)], 3), [count, height * width, 3]);
    const rotation = slice(matrices, [0, 0, 0], [count, 3, 3]);
    const inWorld = withFloat32Products(() => matMul(inCamera, rotation, false, true));
    const position = reshape(slice(matrices, [0, 0, 3], [count, 3, 1]), [count, 1, 3]);
    const origins = broadcastTo(position, [count, height * width, 3]);
    return {
      origins: reshape(origins, shape) as Tensor5D,
      directions: reshape(l2Norm(inWorld, 0), shape) as Tensor5D,
    };
  }) as unknown as CameraRays;
}

/** a x b over the last axis, which has 3 elements. */
export function crossProduct(a: Tensor, b: Tensor): Tensor {
  return tidy(() => {
    const axis = a.rank - 1;
    /** x with its last axis turned: element i becomes element i + by. */
    const turned = (x: Tensor, by: number) => {
      const rest = x.shape.slice(0, -1);
      const from = (first: number, count: number) =>
        slice(x, [...rest.map(() => 0), first], [...rest, count]);
      return concat([from(by, 3 - by), from(0, by)], axis);
    };
    return sub(mul(turned(a, 1), turned(b, 2)), mul(turned(a, 2), turned(b, 1)));
  });
}
