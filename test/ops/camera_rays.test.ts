import * as tf from '@tensorflow/tfjs-core';
import { cameraRays, cameraTensors, turntable } from '../../src';
import { expectError, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

test('rays go through the centres of pixels', () => {
  const [height, width] = [2, 3];
  const cameras = turntable({ views: 2, height, width, radius: 3, hfov: 70 });
  const { origins, directions } = cameraRays(cameraTensors([cameras]), height, width);
  expect(origins.shape).toEqual([1, 2, 2, 3, 3]);
  const [at, along] = [origins.dataSync(), directions.dataSync()];
  cameras.forEach(({ c2w, fxfycxcy: [fx, fy, cx, cy] }, view) => {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const local = [(x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1];
        const size = Math.hypot(...local);
        for (let axis = 0; axis < 3; axis++) {
          const place = ((view * height + y) * width + x) * 3 + axis;
          const row = c2w.slice(4 * axis, 4 * axis + 4);
          const wanted = local.reduce((sum, value, k) => sum + value * row[k], 0) / size;
          expect(along[place]).toBeCloseTo(wanted, 6);
          expect(at[place]).toBeCloseTo(row[3], 6);
        }
      }
    }
  });
});

test.each<[string, string, () => unknown, RegExp]>([
  [
    'matrices of another size',
    'ERR_SHAPE',
    () => cameraRays({ c2w: tf.zeros([1, 1, 3, 4]), fxfycxcy: tf.zeros([1, 1, 4]) }, 2, 2),
    /for cameras\.c2w/,
  ],
  [
    'intrinsics of other views',
    'ERR_SHAPE',
    () => cameraRays({ c2w: tf.zeros([1, 2, 4, 4]), fxfycxcy: tf.zeros([1, 1, 4]) }, 2, 2),
    /for cameras\.fxfycxcy/,
  ],
  [
    'no pixels',
    'ERR_RANGE',
    () => cameraRays({ c2w: tf.zeros([1, 1, 4, 4]), fxfycxcy: tf.zeros([1, 1, 4]) }, 2, 0),
    /for width but got 0/,
  ],
])('%s is refused', (_name, code, call, message) => expectError(call, code, message));
