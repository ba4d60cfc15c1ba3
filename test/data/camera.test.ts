import {
  type Camera,
  interpolateCameras,
  intrinsicsOf,
  lookAt,
  normalisePoses,
  turntable,
} from '../../src';
import { invertPose, positionOf } from '../../src/data/camera';
import { expectError } from '../support/operations';

const column = ({ c2w }: Camera, at: number) => [c2w[at], c2w[4 + at], c2w[8 + at]];
const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, at) => sum + value * b[at], 0);

/** Expects axes of length 1 at right angles, x cross y = z. */
function expectRotation(camera: Camera): void {
  const axes = [0, 1, 2].map((at) => column(camera, at));
  axes.forEach((a, i) => {
    axes.forEach((b, j) => {
      expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 10);
    });
  });
  const [[ax, ay, az], [bx, by, bz], z] = axes;
  expect(dot([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], z)).toBeCloseTo(1, 10);
  expect(camera.c2w.slice(12)).toEqual([0, 0, 0, 1]);
}

test('a camera looks along z, with y down', () => {
  const camera: Camera = { c2w: lookAt([2, 0, 0], [0, 0, 0]), fxfycxcy: [1, 1, 0, 0] };
  expectRotation(camera);
  expect(column(camera, 2).map((value) => value + 0)).toEqual([-1, 0, 0]);
  expect(column(camera, 1)[2]).toBeCloseTo(-1, 12);
  expect(positionOf(camera)).toEqual([2, 0, 0]);
});

test('intrinsics of a field of view', () => {
  const [fx, fy, cx, cy] = intrinsicsOf(90, 20, 40);
  expect(fx).toBeCloseTo(20, 12);
  expect([fy, cx, cy]).toEqual([fx, 20, 10]);
});

test('a turntable goes around its centre at its distance and height', () => {
  const cameras = turntable({
    views: 8,
    height: 4,
    width: 6,
    radius: 3,
    elevation: 20,
    centre: [1, 2, 3],
  });
  expect(cameras).toHaveLength(8);
  for (const camera of cameras) {
    expectRotation(camera);
    const from = positionOf(camera).map((value, at) => value - [1, 2, 3][at]);
    expect(Math.hypot(...from)).toBeCloseTo(3, 10);
    expect(from[2]).toBeCloseTo(3 * Math.sin(Math.PI / 9), 10);
    expect(dot(from, column(camera, 2))).toBeCloseTo(-3, 10);
  }
  const swinging = turntable({
    views: 4,
    height: 4,
    width: 4,
    radius: 2,
    radiusSwing: 0.5,
    elevationSwing: 15,
  });
  expect(Math.hypot(...positionOf(swinging[1]))).toBeCloseTo(2.5, 10);
  expect(positionOf(swinging[1])[2]).toBeCloseTo(2.5 * Math.sin(Math.PI / 4), 10);
});

test('a path goes through its cameras and turns evenly between them', () => {
  const cameras = turntable({ views: 3, height: 4, width: 4, elevation: 0 });
  const path = interpolateCameras(cameras, 3);
  expect(path).toHaveLength(9);
  path.forEach(expectRotation);
  for (const [at, camera] of cameras.entries()) {
    camera.c2w.forEach((value, k) => {
      expect(path[4 * at].c2w[k]).toBeCloseTo(value, 10);
    });
  }
  // 120 degrees in four equal turns.
  for (let at = 0; at < 4; at++) {
    const cosine = dot(column(path[at], 2), column(path[at + 1], 2));
    expect(Math.acos(cosine)).toBeCloseTo(Math.PI / 6, 8);
  }
  expect(interpolateCameras([cameras[0]], 5)).toEqual([cameras[0]]);
  expect(interpolateCameras([], 5)).toEqual([]);
});

test('a path turns through half a turn and from every orientation', () => {
  const from: Camera = {
    c2w: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    fxfycxcy: [1, 1, 0, 0],
  };
  for (const c2w of [
    [1, 0, 0, 1, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1],
    [-1, 0, 0, 1, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1],
    [-1, 0, 0, 1, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  ]) {
    const path = interpolateCameras([from, { c2w, fxfycxcy: [3, 3, 2, 2] }], 1);
    path.forEach(expectRotation);
    expect(positionOf(path[1])).toEqual([0.5, 0, 0]);
    expect(path[1].fxfycxcy).toEqual([2, 2, 1, 1]);
  }
});

test('normalised poses have a mean camera at the origin that looks along z, within [-1, 1]', () => {
  const cameras = [30, 60, 90, 110].map((degrees): Camera => {
    const turn = (degrees * Math.PI) / 180;
    return {
      c2w: lookAt([5 * Math.cos(turn) + 7, 5 * Math.sin(turn), degrees / 50], [7, 0, 1]),
      fxfycxcy: [1, 1, 0, 0],
    };
  });
  const normalised = normalisePoses(cameras);
  normalised.forEach(expectRotation);
  const means = [0, 1, 2].map(
    (axis) => normalised.reduce((sum, camera) => sum + positionOf(camera)[axis], 0) / 4,
  );
  for (const value of means) expect(value).toBeCloseTo(0, 10);
  const forward = [0, 1, 2].map((axis) =>
    normalised.reduce((sum, camera) => sum + column(camera, 2)[axis], 0),
  );
  expect(forward[0]).toBeCloseTo(0, 10);
  expect(forward[1]).toBeCloseTo(0, 10);
  expect(forward[2]).toBeGreaterThan(0);
  const farthest = Math.max(...normalised.flatMap((camera) => positionOf(camera).map(Math.abs)));
  expect(farthest).toBeCloseTo(1, 10);
});

test('a pose is inverted', () => {
  const c2w = lookAt([1, -2, 3], [0.5, 0, 0]);
  const w2c = invertPose(c2w);
  invertPose(w2c).forEach((value, at) => {
    expect(value).toBeCloseTo(c2w[at], 10);
  });
  // A camera's own position is its origin.
  const position = [1, -2, 3, 1];
  [0, 1, 2].forEach((row) => {
    expect(dot(w2c.slice(4 * row, 4 * row + 4), position)).toBeCloseTo(0, 10);
  });
});

const identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
test.each<[string, string, () => unknown, RegExp]>([
  ['a view along up', 'ERR_RANGE', () => lookAt([0, 0, 2], [0, 0, 0]), /not along up/],
  ['a camera in its target', 'ERR_RANGE', () => lookAt([1, 1, 1], [1, 1, 1]), /for position/],
  ['a field of view of 180', 'ERR_RANGE', () => intrinsicsOf(180, 2, 2), /for hfov but got 180/],
  [
    'no views',
    'ERR_RANGE',
    () => turntable({ views: 0, height: 2, width: 2 }),
    /for views but got 0/,
  ],
  [
    'a radius within its swing',
    'ERR_RANGE',
    () => turntable({ views: 2, height: 2, width: 2, radius: 1, radiusSwing: 1 }),
    /for radius/,
  ],
  ['half a camera', 'ERR_RANGE', () => interpolateCameras([], 0.5), /for between but got 0\.5/],
  ['no cameras', 'ERR_RANGE', () => normalisePoses([]), /for cameras but got none/],
  ['a short matrix', 'ERR_ARGUMENT', () => invertPose([1, 2]), /4 x 4 finite numbers for w2c/],
  [
    'a scaled rotation',
    'ERR_ARGUMENT',
    () => invertPose(identity.map((value) => 2 * value)),
    /a rotation for w2c/,
  ],
  [
    'a mirror',
    'ERR_ARGUMENT',
    () => invertPose(identity.map((value, at) => (at === 0 ? -value : value))),
    /a rotation for w2c/,
  ],
  [
    'a perspective row',
    'ERR_ARGUMENT',
    () => invertPose(identity.map((value, at) => (at === 14 ? 0.5 : value))),
    /a last row/,
  ],
])('%s is refused', (_name, code, call, message) => expectError(call, code, message));
