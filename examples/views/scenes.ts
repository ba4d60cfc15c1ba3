import {
  FastWeightError,
  loadSceneFolder,
  type PosedScene,
  proceduralScene,
  type Random,
  type ViewTensors,
  viewTensors,
} from 'fastweight';
import type { Settings } from './settings';

/** Views to measure with: some for context, others to render. */
export interface Measured {
  scene: PosedScene;
  /** In the order in which they join the context. */
  context: number[];
  targets: number[];
}

/** What a run trains and is measured on. */
export interface Scenes {
  train: PosedScene[];
  measured: Measured[];
  /** What the measured views are, for people. */
  measuredOn: string;
}

/** Context and targets of a step, as the trainer takes a batch. */
export interface ViewBatch {
  contextImage: ViewTensors['image'];
  contextC2w: ViewTensors['c2w'];
  contextFxfycxcy: ViewTensors['fxfycxcy'];
  targetImage: ViewTensors['image'];
  targetC2w: ViewTensors['c2w'];
  targetFxfycxcy: ViewTensors['fxfycxcy'];
}

/** The seeds of scenes to train on begin here; those to measure on lie below. */
const firstTrainSeed = 100_000;

/** Draws the procedural scenes; `progress` is told how many are done. */
export async function drawScenes(
  settings: Settings,
  progress: (done: number, total: number) => void,
): Promise<Scenes> {
  const { size, trainScenes, testScenes, trainViews, measuredTargets } = settings;
  const contexts = Math.max(...settings.measuredContexts);
  const total = trainScenes + testScenes;
  let done = 0;
  const draw = async (seed: number, views: number) => {
    const scene = proceduralScene({ seed, views, height: size, width: size });
    progress(++done, total);
    // Ctrl-C gets its turn.
    await new Promise((resolve) => setImmediate(resolve));
    return scene;
  };
  const train: PosedScene[] = [];
  for (let at = 0; at < trainScenes; at++) train.push(await draw(firstTrainSeed + at, trainViews));
  const measured: Measured[] = [];
  for (let seed = 0; seed < testScenes; seed++) {
    const scene = await draw(seed, contexts + measuredTargets);
    const views = scene.views.map((_, view) => view);
    measured.push({ scene, context: views.slice(0, contexts), targets: views.slice(contexts) });
  }
  return { train, measured, measuredOn: `${testScenes} unseen scenes` };
}

/** Reads the scene of a folder; every so many views are held out. */
export async function readScene(folder: string, settings: Settings): Promise<Scenes> {
  const { size, heldOutViews, measuredContexts } = settings;
  const scene = await loadSceneFolder(folder, { height: size, width: size });
  const every = Math.max(2, Math.floor(scene.views.length / heldOutViews));
  const all = scene.views.map((_, view) => view);
  const targets = all.filter((view) => view % every === every - 1);
  const rest = all.filter((view) => view % every !== every - 1);
  const contexts = Math.min(rest.length, Math.max(...measuredContexts));
  // Spread over the views, however few of them are used.
  const spread = (count: number) =>
    Array.from({ length: count }, (_, at) => rest[Math.floor((at * rest.length) / count)]);
  const train = { ...scene, views: rest.map((view) => scene.views[view]) };
  return {
    train: [train],
    measured: [{ scene, context: bitReversed(spread(contexts)), targets }],
    measuredOn: `${targets.length} held-out views of ${scene.name}`,
  };
}

/** The same items so that the first few are spread over all: halves, then quarters between. */
function bitReversed<T>(items: T[]): T[] {
  if (items.length < 3) return items;
  const even = items.filter((_, at) => at % 2 === 0);
  const odd = items.filter((_, at) => at % 2 === 1);
  return [...bitReversed(even), ...bitReversed(odd)];
}

/** `count` different integers below `end`, in random order. */
function choose(end: number, count: number, random: Random): number[] {
  const all = Array.from({ length: end }, (_, index) => index);
  for (let at = 0; at < count; at++) {
    const other = at + random.integer(end - at);
    [all[at], all[other]] = [all[other], all[at]];
  }
  return all.slice(0, count);
}

/** A random number of context views of random scenes, and other views of them to render. */
export function randomViews(train: PosedScene[], settings: Settings, random: Random): ViewBatch {
  const { batch, contextViews, targetViews } = settings;
  const fewest = Math.min(...train.map(({ views }) => views.length));
  const [least, most] = [contextViews[0], Math.min(contextViews[1], fewest - targetViews)];
  if (most < least) {
    const wanted = `scenes of at least ${least + targetViews} views to train on`;
    throw new FastWeightError('ERR_DATA', `Expected ${wanted} but got one of ${fewest}`);
  }
  const contexts = least + random.integer(most - least + 1);
  const scenes = Array.from({ length: batch }, () => train[random.integer(train.length)]);
  const views = scenes.map((scene) => choose(scene.views.length, contexts + targetViews, random));
  const context = viewTensors(
    scenes,
    views.map((chosen) => chosen.slice(0, contexts)),
  );
  const targets = viewTensors(
    scenes,
    views.map((chosen) => chosen.slice(contexts)),
  );
  return {
    contextImage: context.image,
    contextC2w: context.c2w,
    contextFxfycxcy: context.fxfycxcy,
    targetImage: targets.image,
    targetC2w: targets.c2w,
    targetFxfycxcy: targets.fxfycxcy,
  };
}

/** The two halves of a batch as the model takes them. */
export function halves(batch: ViewBatch): { context: ViewTensors; targets: ViewTensors } {
  return {
    context: {
      image: batch.contextImage,
      c2w: batch.contextC2w,
      fxfycxcy: batch.contextFxfycxcy,
    },
    targets: {
      image: batch.targetImage,
      c2w: batch.targetC2w,
      fxfycxcy: batch.targetFxfycxcy,
    },
  };
}
