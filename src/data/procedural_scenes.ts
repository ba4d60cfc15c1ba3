import { expected } from '../native/errors';
import { type Camera, intrinsicsOf, lookAt, onSphere } from './camera';
import type { PosedScene } from './posed_scene';
import { Random } from './random';
import {
  Box,
  type Colour,
  Cylinder,
  type Shape,
  type Solid,
  Sphere,
  type TracedScene,
  traceImage,
} from './ray_tracer';
import { unit, type Vector } from './vector';

export interface ProceduralSceneOptions {
  /** The same seed gives the same scene on every machine. */
  seed: number;
  views: number;
  height: number;
  width: number;
  /** Solids beside the floor; default 2 to 4. */
  solids?: number;
}

/** Height of the floor's top; what stands on it fills the ball of radius 1 about the origin. */
const floor = -0.45;
const floorRadius = 1.05;

const between = (random: Random, least: number, most: number) =>
  least + (most - least) * random.uniform();

/** A colour of the given hue in [0, 1), lively but not too dark. */
function colourOf(hue: number, saturation: number, value: number): Colour {
  const channel = (shift: number) => {
    const place = (shift + 6 * hue) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(1, place, 4 - place)));
  };
  return [channel(5), channel(3), channel(1)];
}

/** A place on the floor and how far a solid reaches from it. */
interface Place {
  x: number;
  y: number;
  reach: number;
}

/** A free place beside the others, or none after some tries. */
function freePlace(random: Random, taken: readonly Place[]): Place | undefined {
  for (let attempt = 0; attempt < 30; attempt++) {
    const reach = between(random, 0.3, 0.48);
    const distance = (floorRadius - reach - 0.04) * Math.sqrt(random.uniform());
    const angle = 2 * Math.PI * random.uniform();
    const place = { x: distance * Math.cos(angle), y: distance * Math.sin(angle), reach };
    const isFree = ({ x, y, reach: other }: Place) =>
      Math.hypot(place.x - x, place.y - y) > reach + other + 0.02;
    if (taken.every(isFree)) return place;
  }
  return undefined;
}

function shapeOn({ x, y, reach }: Place, random: Random): Shape {
  const kind = random.integer(3);
  if (kind === 0) return new Sphere([x, y, floor + reach], reach);
  const halfHeight = between(random, 0.2, 0.45);
  const centre: Vector = [x, y, floor + halfHeight];
  if (kind === 1) return new Cylinder(centre, 0.85 * reach, halfHeight);
  const [long, wide] = [between(random, 0.6, 0.8), between(random, 0.45, 0.6)];
  const half: Vector = [long * reach, wide * reach, halfHeight];
  return new Box(centre, half, Math.PI * random.uniform());
}

function floorSolid(random: Random): Solid {
  const shape = new Cylinder([0, 0, floor - 0.04], floorRadius, 0.04);
  const hue = random.uniform();
  const light = colourOf(hue, between(random, 0.15, 0.6), 0.9);
  const dark = colourOf(hue, between(random, 0.2, 0.5), 0.6);
  const checked = random.uniform() < 0.3;
  const tile = between(random, 0.45, 0.7);
  const odd = ([x, y]: Vector) => (Math.floor(x / tile) + Math.floor(y / tile)) % 2 !== 0;
  return { shape, colour: (point) => (checked && odd(point) ? dark : light) };
}

/** Solids of lively colours on a round floor, under a light of some size, before white. */
function randomScene(random: Random, count: number): TracedScene {
  const places: Place[] = [];
  const firstHue = random.uniform();
  const solids = [floorSolid(random)];
  for (let index = 0; index < count; index++) {
    const place = freePlace(random, places);
    if (place === undefined) break;
    places.push(place);
    const shape = shapeOn(place, random);
    // Hues a golden section apart are never alike.
    const hue = (firstHue + index * 0.618034) % 1;
    const colour = colourOf(hue, between(random, 0.6, 0.95), between(random, 0.75, 1));
    solids.push({ shape, colour: () => colour });
  }
  const turn = 2 * Math.PI * random.uniform();
  const direction = unit([0.6 * Math.cos(turn), 0.6 * Math.sin(turn), 1]);
  const light = { direction, size: 0.25, ambient: 0.55, diffuse: 0.6 };
  return { solids, light, background: [1, 1, 1] };
}

function randomCamera(random: Random, height: number, width: number): Camera {
  const azimuth = 2 * Math.PI * random.uniform();
  const elevation = (between(random, 20, 50) * Math.PI) / 180;
  const position = onSphere(azimuth, elevation, 2.7);
  return { c2w: lookAt(position, [0, 0, -0.1]), fxfycxcy: intrinsicsOf(46, height, width) };
}

/**
 * A scene of spheres, boxes and cylinders that is drawn from a seed, and views of it from all around
 * by a small ray tracer: data on any machine.
 *
 * @returns views whose cameras look at the scene from a distance of 2.7, white where nothing is
 * @throws FastWeightError ERR_ARGUMENT for a seed that is no integer, ERR_RANGE for other counts
 */
export function proceduralScene(options: ProceduralSceneOptions): PosedScene {
  const { seed, views, height, width } = options;
  const counts = { views, height, width, solids: options.solids ?? 1 };
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw expected('ERR_RANGE', 'an integer of at least 1', name, `${value}`);
    }
  }
  const random = new Random(seed);
  const scene = randomScene(random, options.solids ?? 2 + random.integer(3));
  const posed = Array.from({ length: views }, () => {
    const camera = randomCamera(random, height, width);
    return { camera, image: traceImage(scene, camera, height, width) };
  });
  return { name: `scene ${seed}`, height, width, views: posed };
}
