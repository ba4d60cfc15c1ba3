import { expected } from '../native/errors';
import { cross, dot, lengthOf, mean, minus, plus, times, unit, type Vector } from './vector';

/** A camera on the host, in OpenCV's axes: x right, y down, z forward. */
export interface Camera {
  /** Camera to world: 4 x 4, row by row. */
  c2w: readonly number[];
  /** Focal lengths and principal point in pixels. */
  fxfycxcy: readonly [fx: number, fy: number, cx: number, cy: number];
}

/** Where a camera stands, in world space. */
export function positionOf({ c2w }: Camera): Vector {
  return [c2w[3], c2w[7], c2w[11]];
}

/** Column `index` of the rotation of a 4 x 4 matrix: an axis of the camera in world space. */
function axisOf(matrix: readonly number[], index: 0 | 1 | 2): Vector {
  return [matrix[index], matrix[4 + index], matrix[8 + index]];
}

/** The 4 x 4 matrix of these axes and this origin, row by row. */
function matrixOf(x: Vector, y: Vector, z: Vector, origin: Vector): number[] {
  const rows = [0, 1, 2].flatMap((row) => [x[row], y[row], z[row], origin[row]]);
  return [...rows, 0, 0, 0, 1];
}

/**
 * Camera to world of a camera at `position` that looks at `target`.
 *
 * @param up the direction that is up in the image, default z
 * @throws FastWeightError ERR_RANGE where the camera looks along `up` or stands at the target
 */
export function lookAt(position: Vector, target: Vector, up: Vector = [0, 0, 1]): number[] {
  const view = minus(target, position);
  const side = cross(view, up);
  if (!(lengthOf(side) > 1e-9 * lengthOf(view) * lengthOf(up))) {
    const got = `[${position}], looking at [${target}]`;
    throw expected('ERR_RANGE', `a view that is not along up [${up}]`, 'position', got);
  }
  const right = unit(side);
  const forward = unit(view);
  return matrixOf(right, cross(forward, right), forward, position);
}

/** The intrinsics of a camera with square pixels whose image is `width` pixels over `hfov` degrees. */
export function intrinsicsOf(
  hfov: number,
  height: number,
  width: number,
): [fx: number, fy: number, cx: number, cy: number] {
  if (!(hfov > 0 && hfov < 180)) {
    throw expected('ERR_RANGE', 'degrees between 0 and 180', 'hfov', `${hfov}`);
  }
  const focal = width / (2 * Math.tan((hfov * Math.PI) / 360));
  return [focal, focal, width / 2, height / 2];
}

export interface Turntable {
  views: number;
  height: number;
  width: number;
  /** Horizontal field of view in degrees; default 50, as published. */
  hfov?: number;
  /** Mean distance to the centre; default 2.35. */
  radius?: number;
  /** How far the distance swings to either side over a turn; default 0. */
  radiusSwing?: number;
  /** Mean height above the horizon in degrees; default 30. */
  elevation?: number;
  /** How far the height swings to either side over a turn, in degrees; default 0. */
  elevationSwing?: number;
  /** What the cameras look at and turn about; default the origin. */
  centre?: Vector;
}

/**
 * Cameras that go once around the z axis (the published turntable swings 15 degrees and 0.65).
 *
 * @throws FastWeightError ERR_RANGE
 */
export function turntable(options: Turntable): Camera[] {
  const { views, height, width, hfov = 50, radius = 2.35, radiusSwing = 0 } = options;
  const { elevation = 30, elevationSwing = 0, centre = [0, 0, 0] } = options;
  if (!Number.isSafeInteger(views) || views < 1) {
    throw expected('ERR_RANGE', 'a number of views', 'views', `${views}`);
  }
  if (!(radius - Math.abs(radiusSwing) > 0)) {
    throw expected('ERR_RANGE', 'a radius above its swing', 'radius', `${radius}`);
  }
  const fxfycxcy = intrinsicsOf(hfov, height, width);
  return Array.from({ length: views }, (_, view) => {
    const turn = (2 * Math.PI * view) / views;
    const distance = radius + radiusSwing * Math.sin(turn);
    const above = ((elevation + elevationSwing * Math.sin(turn)) * Math.PI) / 180;
    const position = plus(centre, onSphere(turn, above, distance));
    return { c2w: lookAt(position, centre), fxfycxcy };
  });
}

/** The point at these angles in radians from the x axis and above the horizon. */
export function onSphere(azimuth: number, elevation: number, radius: number): Vector {
  const base = radius * Math.cos(elevation);
  return [base * Math.cos(azimuth), base * Math.sin(azimuth), radius * Math.sin(elevation)];
}

type Quaternion = [w: number, x: number, y: number, z: number];

/** The rotation of a 4 x 4 matrix (Shepperd's method, which divides by the largest part). */
function quaternionOf(m: readonly number[]): Quaternion {
  const [xx, yy, zz] = [m[0], m[5], m[10]];
  const parts: Quaternion = [
    1 + xx + yy + zz,
    1 + xx - yy - zz,
    1 - xx + yy - zz,
    1 - xx - yy + zz,
  ];
  const largest = parts.indexOf(Math.max(...parts));
  const [wx, wy, wz] = [m[9] - m[6], m[2] - m[8], m[4] - m[1]];
  const [xy, xz, yz] = [m[4] + m[1], m[2] + m[8], m[9] + m[6]];
  const rows: Quaternion[] = [
    [parts[0], wx, wy, wz],
    [wx, parts[1], xy, xz],
    [wy, xy, parts[2], yz],
    [wz, xz, yz, parts[3]],
  ];
  return rows[largest].map((part) => part / Math.hypot(...rows[largest])) as Quaternion;
}

function axesOf([w, x, y, z]: Quaternion): [Vector, Vector, Vector] {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
    [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
    [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
  ];
}

/** The rotation a share of the way from a to b, by the shorter arc (Shoemake, 1985). */
function slerp(a: Quaternion, b: Quaternion, share: number): Quaternion {
  let cosine = a.reduce((sum, part, at) => sum + part * b[at], 0);
  const sign = cosine < 0 ? -1 : 1;
  cosine = Math.min(1, Math.abs(cosine));
  const angle = Math.acos(cosine);
  const near = angle < 1e-6;
  const from = near ? 1 - share : Math.sin((1 - share) * angle) / Math.sin(angle);
  const to = sign * (near ? share : Math.sin(share * angle) / Math.sin(angle));
  return a.map((part, at) => from * part + to * b[at]) as Quaternion;
}

const mix = (a: number, b: number, share: number) => a + (b - a) * share;

/**
 * A path through cameras: the cameras themselves and `between` more between each and the next, with
 * rotations along the shortest turn and the rest along straight lines.
 *
 * @throws FastWeightError ERR_RANGE
 */
export function interpolateCameras(cameras: readonly Camera[], between: number): Camera[] {
  if (!Number.isSafeInteger(between) || between < 0) {
    throw expected('ERR_RANGE', 'a number of cameras', 'between', `${between}`);
  }
  return cameras.flatMap((from, at) => {
    if (at === cameras.length - 1) return [from];
    const to = cameras[at + 1];
    const turns = [quaternionOf(from.c2w), quaternionOf(to.c2w)];
    return Array.from({ length: between + 1 }, (_, step) => {
      const share = step / (between + 1);
      const [x, y, z] = axesOf(slerp(turns[0], turns[1], share));
      const [start, end] = [positionOf(from), positionOf(to)];
      const position = plus(start, times(minus(end, start), share));
      const fxfycxcy = from.fxfycxcy.map((value, k) => mix(value, to.fxfycxcy[k], share));
      return {
        c2w: matrixOf(x, y, z, position),
        fxfycxcy: fxfycxcy as unknown as Camera['fxfycxcy'],
      };
    });
  });
}

/**
 * The cameras of a scene without bounds in a world of their own, as published: the mean camera is
 * the origin and looks along z, and the farthest coordinate of a camera is 1.
 *
 * @throws FastWeightError ERR_RANGE where there are no cameras or they have no mean direction
 */
export function normalisePoses(cameras: readonly Camera[]): Camera[] {
  if (cameras.length === 0) throw expected('ERR_RANGE', 'at least one', 'cameras', 'none');
  const forward = mean(cameras.map(({ c2w }) => axisOf(c2w, 2)));
  const down = mean(cameras.map(({ c2w }) => axisOf(c2w, 1)));
  if (!(lengthOf(cross(down, forward)) > 1e-9)) {
    throw expected('ERR_RANGE', 'cameras with a mean direction', 'cameras', 'none');
  }
  const z = unit(forward);
  const x = unit(cross(down, z));
  const y = unit(cross(z, x));
  const centre = mean(cameras.map(positionOf));
  const inMean = (a: Vector): Vector => [dot(x, a), dot(y, a), dot(z, a)];
  const positions = cameras.map((camera) => inMean(minus(positionOf(camera), centre)));
  const scale = Math.max(...positions.flat().map(Math.abs));
  return cameras.map(({ c2w, fxfycxcy }, at) => {
    const [right, below, ahead] = ([0, 1, 2] as const).map((axis) => inMean(axisOf(c2w, axis)));
    const position = scale > 0 ? times(positions[at], 1 / scale) : positions[at];
    return { c2w: matrixOf(right, below, ahead, position), fxfycxcy };
  });
}

/**
 * Camera to world from world to camera, both 4 x 4, row by row.
 *
 * @throws FastWeightError ERR_ARGUMENT unless `w2c` is a rotation and a translation
 */
export function invertPose(w2c: readonly number[], name = 'w2c'): number[] {
  const refuse = (expectation: string, got: string): never => {
    throw expected('ERR_ARGUMENT', expectation, name, got);
  };
  if (w2c.length !== 16 || !w2c.every(Number.isFinite)) {
    refuse('4 x 4 finite numbers', `[${w2c}]`);
  }
  const rows = [0, 1, 2].map((row): Vector => [w2c[4 * row], w2c[4 * row + 1], w2c[4 * row + 2]]);
  const errors = rows.flatMap((a, i) =>
    rows.map((b, j) => Math.abs(dot(a, b) - (i === j ? 1 : 0))),
  );
  const handed = dot(cross(rows[0], rows[1]), rows[2]);
  if (Math.max(...errors) > 1e-3 || handed < 0) refuse('a rotation', `[${rows.join('], [')}]`);
  const last = w2c.slice(12);
  if ([0, 0, 0, 1].some((value, at) => Math.abs(last[at] - value) > 1e-6)) {
    refuse('a last row [0, 0, 0, 1]', `[${last}]`);
  }
  const shift: Vector = [w2c[3], w2c[7], w2c[11]];
  const origin = rows.reduce((sum, row, at) => minus(sum, times(row, shift[at])), [0, 0, 0]);
  return matrixOf(...(rows as [Vector, Vector, Vector]), origin);
}
