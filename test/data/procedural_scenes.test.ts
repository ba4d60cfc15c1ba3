import { cameraTensors, proceduralScene, turntable, viewTensors } from '../../src';
import { lookAt } from '../../src/data/camera';
import {
  Box,
  Cylinder,
  type Shape,
  type Solid,
  Sphere,
  traceImage,
} from '../../src/data/ray_tracer';
import type { Vector } from '../../src/data/vector';
import { expectError, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

const options = { views: 3, height: 8, width: 12 };

test('a seed decides a scene; others differ', () => {
  const [a, b, c] = [1, 1, 2].map((seed) => proceduralScene({ seed, ...options }));
  expect(a).toEqual(b);
  expect(a.views[0].image).not.toEqual(c.views[0].image);
  expect(a.name).toBe('scene 1');
});

test('views are pictures in [0, 1], white where nothing is, and not all alike', () => {
  const { views } = proceduralScene({ seed: 3, views: 4, height: 16, width: 16 });
  for (const { image } of views) {
    expect(image).toHaveLength(3 * 16 * 16);
    expect(Math.min(...image)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...image)).toBe(1);
    // A corner sees past the floor; the middle does not.
    expect([image[0], image[256], image[512]]).toEqual([1, 1, 1]);
    const middle = [0, 1, 2].map((channel) => image[256 * channel + 8 * 16 + 8]);
    expect(Math.min(...middle)).toBeLessThan(0.99);
  }
  expect(views[0].image).not.toEqual(views[1].image);
});

const down: Vector = [0, 0, -1];
test.each<[string, Shape, Vector, Vector, number, Vector]>([
  ['a sphere', new Sphere([0, 0, 0], 1), [0, 0, 3], down, 2, [0, 0, 1]],
  ['a sphere from inside', new Sphere([0, 0, 0], 1), [0, 0, 0], down, 1, [0, 0, -1]],
  ['a box from above', new Box([0, 0, 0], [1, 2, 0.5], 0.3), [0.1, 0.1, 3], down, 2.5, [0, 0, 1]],
  [
    'a turned box from the side',
    new Box([1, 0, 0], [0.5, 2, 0.5], Math.PI / 2),
    [1, -5, 0],
    [0, 1, 0],
    4.5,
    [0, -1, 0],
  ],
  ['a cylinder from above', new Cylinder([0, 0, 0], 1, 0.5), [0.5, 0, 2], down, 1.5, [0, 0, 1]],
  [
    'a cylinder from the side',
    new Cylinder([0, 0, 0], 1, 0.5),
    [-3, 0, 0],
    [1, 0, 0],
    2,
    [-1, 0, 0],
  ],
])('%s is hit where it should be', (_name, shape, origin, direction, distance, normal) => {
  const hit = shape.hit(origin, direction, 1e-4);
  expect(hit).toBeCloseTo(distance, 10);
  const point = origin.map((value, at) => value + hit * direction[at]) as unknown as Vector;
  shape.normal(point).forEach((value, at) => {
    expect(value).toBeCloseTo(normal[at], 10);
  });
});

test.each<[string, Shape]>([
  ['a sphere', new Sphere([0, 0, 0], 1)],
  ['a box', new Box([0, 0, 0], [1, 1, 1], 0.4)],
  ['a cylinder', new Cylinder([0, 0, 0], 1, 1)],
])('%s is missed beside it and behind', (_name, shape) => {
  expect(shape.hit([3, 0, 5], down, 0)).toBe(Infinity);
  expect(shape.hit([0, 0, -5], down, 0)).toBe(Infinity);
});

test('a solid throws a shadow', () => {
  const colour = (): Vector => [1, 1, 1];
  const floor = { shape: new Cylinder([0, 0, -1], 3, 0.01), colour };
  const ball = { shape: new Sphere([0, 0, 1], 0.5), colour };
  const light = { direction: [0, 0, 1] as Vector, size: 0.01, ambient: 0.2, diffuse: 0.7 };
  const camera = { c2w: lookAt([0, 3, 3], [0, 0, -1]), fxfycxcy: [8, 8, 4.5, 4.5] as const };
  const middle = (solids: Solid[]) =>
    traceImage({ solids, light, background: [1, 1, 1] }, camera, 8, 8)[4 * 8 + 4];
  expect(middle([floor])).toBeCloseTo(0.9, 5);
  expect(middle([floor, ball])).toBeCloseTo(0.2, 5);
});

test('tensors hold the chosen views of each scene', () => {
  const scenes = [1, 2].map((seed) => proceduralScene({ seed, ...options }));
  const { image, c2w, fxfycxcy } = viewTensors(scenes, [
    [2, 0],
    [1, 1],
  ]);
  expect([image.shape, c2w.shape, fxfycxcy.shape]).toEqual([
    [2, 2, 3, 8, 12],
    [2, 2, 4, 4],
    [2, 2, 4],
  ]);
  const values = image.dataSync();
  expect([...values.slice(0, 288)]).toEqual([...scenes[0].views[2].image]);
  expect([...values.slice(3 * 288)]).toEqual([...scenes[1].views[1].image]);
  scenes[1].views[1].camera.c2w.forEach((value, at) => {
    expect(c2w.dataSync()[48 + at]).toBeCloseTo(value, 6);
  });
});

test.each<[string, string, () => unknown, RegExp]>([
  ['a seed', 'ERR_ARGUMENT', () => proceduralScene({ ...options, seed: 0.5 }), /for seed/],
  ['no views', 'ERR_RANGE', () => proceduralScene({ ...options, seed: 1, views: 0 }), /for views/],
  ['a size', 'ERR_RANGE', () => proceduralScene({ ...options, seed: 1, width: 1.5 }), /for width/],
  [
    'a view that a scene lacks',
    'ERR_RANGE',
    () => viewTensors([proceduralScene({ seed: 1, ...options })], [[3]]),
    /a view below 3 of scene 1 for chosen but got 3/,
  ],
  [
    'unequal numbers of views',
    'ERR_RANGE',
    () => cameraTensors([[], turntable({ views: 2, height: 2, width: 2 })]),
    /for cameras/,
  ],
  [
    'images of two sizes',
    'ERR_SHAPE',
    () =>
      viewTensors(
        [4, 8].map((height) => proceduralScene({ seed: 1, views: 1, height, width: 4 })),
        [[0], [0]],
      ),
    /images of 4 x 4 for scenes but got 8 x 4/,
  ],
])('%s is refused', (_name, code, call, message) => expectError(call, code, message));
