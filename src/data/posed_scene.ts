import * as tf from '@tensorflow/tfjs-core';
import { expected } from '../native/errors';
import type { Camera } from './camera';

/** An image and the camera that took it, on the host. */
export interface PosedView {
  camera: Camera;
  /** Colours in [0, 1], [3, height, width]. */
  image: Float32Array;
}

/** Views of one scene, all of one size. */
export interface PosedScene {
  name: string;
  height: number;
  width: number;
  views: PosedView[];
}

/** Cameras of several scenes as tensors, see `Cameras`. */
export interface CameraTensors {
  /** [scenes, views, 4, 4] */
  c2w: tf.Tensor4D;
  /** [scenes, views, 4] */
  fxfycxcy: tf.Tensor3D;
}

/** Views of several scenes as tensors, see `PosedImages`. */
export interface ViewTensors extends CameraTensors {
  /** [scenes, views, 3, height, width] */
  image: tf.Tensor5D;
}

function assertEqualRows(rows: readonly (readonly unknown[])[], name: string): number {
  const count = rows[0]?.length ?? 0;
  const other = rows.find((row) => row.length !== count);
  if (count === 0) throw expected('ERR_RANGE', 'at least one view', name, 'none');
  if (other) throw expected('ERR_RANGE', `${count} views of every scene`, name, `${other.length}`);
  return count;
}

/**
 * Cameras of scenes, as many of each, as tensors; the caller's to dispose.
 *
 * @throws FastWeightError ERR_RANGE
 */
export function cameraTensors(scenes: readonly (readonly Camera[])[]): CameraTensors {
  const views = assertEqualRows(scenes, 'cameras');
  const all = scenes.flat();
  const values = (of: (camera: Camera) => readonly number[]) =>
    Float32Array.from(all.flatMap((camera) => [...of(camera)]));
  return {
    c2w: tf.tensor4d(
      values(({ c2w }) => c2w),
      [scenes.length, views, 4, 4],
    ),
    fxfycxcy: tf.tensor3d(
      values(({ fxfycxcy }) => fxfycxcy),
      [scenes.length, views, 4],
    ),
  };
}

/**
 * Some views of each of several scenes as tensors; the caller's to dispose.
 *
 * @param chosen for each scene which of its views, as many of each
 * @throws FastWeightError ERR_RANGE for a view that a scene does not have, ERR_SHAPE for scenes of
 * different image sizes
 */
export function viewTensors(
  scenes: readonly PosedScene[],
  chosen: readonly (readonly number[])[],
): ViewTensors {
  const count = assertEqualRows(chosen, 'chosen');
  if (chosen.length !== scenes.length) {
    throw expected('ERR_RANGE', `views of ${scenes.length} scenes`, 'chosen', `${chosen.length}`);
  }
  const [{ height, width }] = scenes;
  const pixels = 3 * height * width;
  const image = new Float32Array(scenes.length * count * pixels);
  const cameras = scenes.map((scene, at) => {
    if (scene.height !== height || scene.width !== width) {
      const got = `${scene.height} x ${scene.width} of ${scene.name}`;
      throw expected('ERR_SHAPE', `images of ${height} x ${width}`, 'scenes', got);
    }
    return chosen[at].map((index, place) => {
      const view = scene.views[index];
      if (view === undefined) {
        const wanted = `a view below ${scene.views.length} of ${scene.name}`;
        throw expected('ERR_RANGE', wanted, 'chosen', `${index}`);
      }
      image.set(view.image, (at * count + place) * pixels);
      return view.camera;
    });
  });
  const shape = [scenes.length, count, 3, height, width] as const;
  return { image: tf.tensor5d(image, [...shape]), ...cameraTensors(cameras) };
}
