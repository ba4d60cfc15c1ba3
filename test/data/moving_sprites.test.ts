import { type MovingSpritesShape, movingSprites, type Sprite } from '../../src/data/moving_sprites';
import { Random } from '../../src/data/random';
import { expectError } from '../support/operations';

const shape: MovingSpritesShape = { frames: 60, height: 12, width: 16, speed: [0.5, 2] };
const area = 12 * 16;

const square: Sprite = { width: 4, height: 3, pixels: new Float32Array(12).fill(1) };

/** Sum of a frame, and its centre of mass. */
function centre(video: Float32Array, frame: number): { mass: number; x: number; y: number } {
  let [mass, x, y] = [0, 0, 0];
  for (let i = 0; i < area; i++) {
    const value = video[frame * area + i];
    mass += value;
    x += value * (i % 16);
    y += value * Math.floor(i / 16);
  }
  return { mass, x: x / mass, y: y / mass };
}

test('a sprite keeps its mass, stays inside, and moves at one pace between bounces', () => {
  for (let seed = 0; seed < 20; seed++) {
    const video = movingSprites([square], shape, new Random(seed));
    const centres = Array.from({ length: shape.frames }, (_, frame) => centre(video, frame));
    const paces = [];
    for (const [frame, { mass, x, y }] of centres.entries()) {
      expect(mass).toBeCloseTo(12, 4);
      expect(x).toBeGreaterThanOrEqual(1.5 - 1e-5);
      expect(x).toBeLessThanOrEqual(16 - 2.5 + 1e-5);
      expect(y).toBeGreaterThanOrEqual(1 - 1e-5);
      expect(y).toBeLessThanOrEqual(12 - 2 + 1e-5);
      if (frame === 0) continue;
      const before = centres[frame - 1];
      paces.push(Math.hypot(x - before.x, y - before.y));
    }
    // A step with a bounce in it is shorter; all others are the pace.
    const pace = Math.max(...paces);
    expect(pace).toBeGreaterThanOrEqual(0.5 - 1e-4);
    expect(pace).toBeLessThanOrEqual(2 + 1e-4);
    const steady = paces.filter((step) => Math.abs(step - pace) < 1e-3).length;
    expect(steady).toBeGreaterThan(shape.frames / 3);
  }
});

test('without speed it stands still, as the sprite is where it fits exactly', () => {
  const pixels = Float32Array.from({ length: area }, (_, i) => i / area);
  const sprite = { width: 16, height: 12, pixels };
  const still = { ...shape, frames: 2, speed: [0, 0] as [number, number] };
  const video = movingSprites([sprite], still, new Random(1));
  expect([...video]).toEqual([...pixels, ...pixels]);
});

test('of two sprites the brighter value is seen', () => {
  const dim: Sprite = { width: 16, height: 12, pixels: new Float32Array(area).fill(0.25) };
  const both = movingSprites([dim, square], shape, new Random(2));
  for (const value of both) expect(value).toBeGreaterThanOrEqual(0.25);
  expect(Math.max(...both)).toBeLessThanOrEqual(1);
  expect(Math.max(...both)).toBeGreaterThan(0.5);
});

test('a seed gives the same video, another one another', () => {
  const video = (seed: number) => movingSprites([square], shape, new Random(seed));
  expect(video(3)).toEqual(video(3));
  expect(video(3)).not.toEqual(video(4));
});

test('refuses what makes no video', () => {
  const make = (change: Partial<MovingSpritesShape>, sprites = [square]) =>
    movingSprites(sprites, { ...shape, ...change }, new Random(1));
  expectError(() => make({}, []), 'ERR_RANGE', /at least 1 for sprites but got 0/);
  expectError(() => make({ frames: 0 }), 'ERR_RANGE', /at least 1 for frames but got 0/);
  expectError(() => make({ speed: [2, 1] }), 'ERR_RANGE', /for speed but got \[2,1\]/);
  expectError(() => make({ speed: [-1, 1] }), 'ERR_RANGE', /for speed/);
  expectError(() => make({ width: 3 }), 'ERR_SHAPE', /^Expected at most 3 x 12 for sprites\[0\]/);
});
