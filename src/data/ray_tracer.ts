import { type Camera, positionOf } from './camera';
import { cross, dot, minus, plus, times, unit, type Vector } from './vector';

/**
 * Something that rays hit. A ray goes from `origin` along `direction`, which has length 1; no hit
 * allocates, since nearly all of the time goes there.
 */
export interface Shape {
  /** Distance along the ray to the first hit beyond `least`, or Infinity. */
  hit(origin: Vector, direction: Vector, least: number): number;
  /** The outward direction at a point of the surface. */
  normal(point: Vector): Vector;
}

/** Red, green and blue in [0, 1]. */
export type Colour = Vector;

export interface Solid {
  shape: Shape;
  colour(point: Vector): Colour;
}

/** A light of some size, far away, so that shadows have soft edges. */
export interface Light {
  /** Towards the light, of length 1. */
  direction: Vector;
  /** Radius of the light at distance 1; 0 makes hard shadows. */
  size: number;
  /** Shares of the light that come from everywhere and from the light. */
  ambient: number;
  diffuse: number;
}

export interface TracedScene {
  solids: readonly Solid[];
  light: Light;
  background: Colour;
}

/** The first end beyond `least` of the stretch of a ray from `near` to `far`, or Infinity. */
function firstBeyond(least: number, near: number, far: number): number {
  if (!(near <= far)) return Infinity;
  if (near > least) return near;
  return far > least ? far : Infinity;
}

const between = { near: 0, far: 0 };

/** Where origin + t direction lies within [-half, half]; the same object at every call. */
function stretch(origin: number, direction: number, half: number): { near: number; far: number } {
  const a = (-half - origin) / direction;
  const b = (half - origin) / direction;
  between.near = Math.min(a, b);
  between.far = Math.max(a, b);
  return between;
}

/** Rays start this far off a surface, so that it does not hide itself. */
const offset = 1e-4;

export class Sphere implements Shape {
  constructor(
    private readonly centre: Vector,
    private readonly radius: number,
  ) {}

  hit(origin: Vector, direction: Vector, least: number): number {
    const x = origin[0] - this.centre[0];
    const y = origin[1] - this.centre[1];
    const z = origin[2] - this.centre[2];
    const b = x * direction[0] + y * direction[1] + z * direction[2];
    const root = b * b - (x * x + y * y + z * z) + this.radius * this.radius;
    if (root < 0) return Infinity;
    const half = Math.sqrt(root);
    return firstBeyond(least, -b - half, -b + half);
  }

  normal(point: Vector): Vector {
    return times(minus(point, this.centre), 1 / this.radius);
  }
}

/** A box that may be turned about the z axis. */
export class Box implements Shape {
  private readonly cosine: number;
  private readonly sine: number;

  /** @param half half of each side; @param yaw turn about z in radians */
  constructor(
    private readonly centre: Vector,
    private readonly half: Vector,
    yaw: number,
  ) {
    this.cosine = Math.cos(yaw);
    this.sine = Math.sin(yaw);
  }

  hit(origin: Vector, direction: Vector, least: number): number {
    const { cosine, sine, centre, half } = this;
    const x = origin[0] - centre[0];
    const y = origin[1] - centre[1];
    const along = stretch(
      cosine * x + sine * y,
      cosine * direction[0] + sine * direction[1],
      half[0],
    );
    let near = along.near;
    let far = along.far;
    stretch(cosine * y - sine * x, cosine * direction[1] - sine * direction[0], half[1]);
    near = Math.max(near, along.near);
    far = Math.min(far, along.far);
    stretch(origin[2] - centre[2], direction[2], half[2]);
    near = Math.max(near, along.near);
    far = Math.min(far, along.far);
    return firstBeyond(least, near, far);
  }

  normal(point: Vector): Vector {
    const [dx, dy, dz] = minus(point, this.centre);
    const local = [this.cosine * dx + this.sine * dy, this.cosine * dy - this.sine * dx, dz];
    const shares = local.map((value, axis) => Math.abs(value) / this.half[axis]);
    const axis = shares.indexOf(Math.max(...shares));
    const sign = Math.sign(local[axis]);
    if (axis === 2) return [0, 0, sign];
    const [x, y] = axis === 0 ? [sign, 0] : [0, sign];
    return [this.cosine * x - this.sine * y, this.sine * x + this.cosine * y, 0];
  }
}

/** An upright cylinder with caps; flat ones serve as a round floor. */
export class Cylinder implements Shape {
  constructor(
    private readonly centre: Vector,
    private readonly radius: number,
    private readonly halfHeight: number,
  ) {}

  hit(origin: Vector, direction: Vector, least: number): number {
    const x = origin[0] - this.centre[0];
    const y = origin[1] - this.centre[1];
    const a = direction[0] * direction[0] + direction[1] * direction[1];
    const b = x * direction[0] + y * direction[1];
    const c = x * x + y * y - this.radius * this.radius;
    // The ray is between the caps for one stretch, and inside of the tube for one.
    const { near, far } = stretch(origin[2] - this.centre[2], direction[2], this.halfHeight);
    if (a === 0) return c > 0 ? Infinity : firstBeyond(least, near, far);
    const root = b * b - a * c;
    if (root < 0) return Infinity;
    const half = Math.sqrt(root);
    return firstBeyond(least, Math.max(near, (-b - half) / a), Math.min(far, (-b + half) / a));
  }

  normal(point: Vector): Vector {
    const [x, y, z] = minus(point, this.centre);
    const onCap = this.halfHeight - Math.abs(z) < this.radius - Math.hypot(x, y);
    return onCap ? [0, 0, Math.sign(z)] : unit([x, y, 0]);
  }
}

/** Offsets in a unit disc: a sunflower's seeds, which fill it evenly. */
function discPoints(count: number): [number, number][] {
  const golden = Math.PI * (3 - Math.sqrt(5));
  return Array.from({ length: count }, (_, at) => {
    const radius = Math.sqrt((at + 0.5) / count);
    return [radius * Math.cos(at * golden), radius * Math.sin(at * golden)];
  });
}

const shadowRays = discPoints(6);

/** Two directions at right angles to `direction` and to each other. */
function across(direction: Vector): [Vector, Vector] {
  const helper: Vector = Math.abs(direction[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0];
  const first = unit(minus(helper, times(direction, dot(helper, direction))));
  return [first, cross(direction, first)];
}

/** Directions from anywhere to points spread over the light. */
function towardsLight({ direction, size }: Light): Vector[] {
  const [right, up] = across(direction);
  return shadowRays.map(([x, y]) =>
    unit(plus(direction, plus(times(right, size * x), times(up, size * y)))),
  );
}

/** Share of the light that reaches a point. */
function lightAt(solids: readonly Solid[], point: Vector, towards: readonly Vector[]): number {
  let seen = 0;
  for (const direction of towards) {
    let open = true;
    for (const { shape } of solids) {
      if (shape.hit(point, direction, offset) === Infinity) continue;
      open = false;
      break;
    }
    if (open) seen++;
  }
  return seen / towards.length;
}

function colourAlong(
  scene: TracedScene,
  origin: Vector,
  direction: Vector,
  towards: readonly Vector[],
): Colour {
  let distance = Infinity;
  let solid: Solid | undefined;
  for (const candidate of scene.solids) {
    const hit = candidate.shape.hit(origin, direction, offset);
    if (hit < distance) {
      distance = hit;
      solid = candidate;
    }
  }
  if (solid === undefined) return scene.background;
  const point = plus(origin, times(direction, distance));
  const normal = solid.shape.normal(point);
  const { ambient, diffuse } = scene.light;
  const facing = dot(normal, scene.light.direction);
  // From above comes more of the light that comes from everywhere.
  const everywhere = ambient * (0.75 + 0.25 * normal[2]);
  const from = plus(point, times(normal, offset));
  const direct = facing > 0 ? diffuse * facing * lightAt(scene.solids, from, towards) : 0;
  const lit = times(solid.colour(point), everywhere + direct);
  return [Math.min(1, lit[0]), Math.min(1, lit[1]), Math.min(1, lit[2])];
}

/**
 * What a camera sees of a scene.
 *
 * @param samples rays along each side of a pixel, whose colours are averaged
 * @returns colours [3, height, width] in [0, 1]
 */
export function traceImage(
  scene: TracedScene,
  camera: Camera,
  height: number,
  width: number,
  samples = 2,
): Float32Array {
  const { c2w, fxfycxcy } = camera;
  const [fx, fy, cx, cy] = fxfycxcy;
  const origin = positionOf(camera);
  const image = new Float32Array(3 * height * width);
  const towards = towardsLight(scene.light);
  const through = (x: number, y: number): Vector => {
    const u = (x - cx) / fx;
    const v = (y - cy) / fy;
    const along = (row: number) => c2w[row] * u + c2w[row + 1] * v + c2w[row + 2];
    return unit([along(0), along(4), along(8)]);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum: Colour = [0, 0, 0];
      for (let sample = 0; sample < samples ** 2; sample++) {
        const right = ((sample % samples) + 0.5) / samples;
        const down = (Math.floor(sample / samples) + 0.5) / samples;
        sum = plus(sum, colourAlong(scene, origin, through(x + right, y + down), towards));
      }
      for (let channel = 0; channel < 3; channel++) {
        image[(channel * height + y) * width + x] = sum[channel] / samples ** 2;
      }
    }
  }
  return image;
}
