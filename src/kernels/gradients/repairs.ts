import {
  backend_util,
  cumsum,
  type GradConfig,
  reshape,
  sum,
  type Tensor,
  util,
} from '@tensorflow/tfjs-core';

/** Makes a right gradient from the published one. */
type Repair = (published: GradConfig) => GradConfig;

/**
 * For binary kernels whose published gradient forgets broadcasting: sums each input's gradient over
 * the axes along which that input was repeated.
 */
const sumToInputShapes: Repair = (published) => ({
  ...published,
  gradFunc: (dy, saved, attrs) => {
    const gradients = published.gradFunc(dy, saved, attrs);
    const [a, b] = saved;
    const outShape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    return {
      a: () => sumToShape(gradients.a(), a.shape, outShape),
      b: () => sumToShape(gradients.b(), b.shape, outShape),
    };
  },
});

/** The published gradient transposes its result where the axis is not the last. */
const cumsumOfGradient: Repair = (published) => ({
  ...published,
  inputsToSave: [],
  gradFunc: (dy, _saved, attrs) => {
    const { axis, exclusive, reverse } = attrs as unknown as CumsumAttrs;
    return { x: () => cumsum(dy as Tensor, axis, exclusive, !reverse) };
  },
});

interface CumsumAttrs {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}

/** The published gradient takes the axes as they come, and is wrong for those below 0. */
const countAxesFromFront: Repair = (published) => ({
  ...published,
  gradFunc: (dy, saved, attrs) => {
    const axis = util.parseAxisParam(attrs.axis as number | number[], saved[0].shape);
    return published.gradFunc(dy, saved, { ...attrs, axis: axis.sort((p, q) => p - q) });
  },
});

/** Repairs by the kernel whose gradient they mend. */
export const repairs: readonly [kernelName: string, repair: Repair][] = [
  ['Maximum', sumToInputShapes],
  ['Minimum', sumToInputShapes],
  ['SquaredDifference', sumToInputShapes],
  ['Cumsum', cumsumOfGradient],
  ['Prod', countAxesFromFront],
];

/** Sums `gradient` [outShape] over the axes along which an input of shape `shape` was repeated. */
function sumToShape(gradient: Tensor, shape: number[], outShape: number[]): Tensor {
  const axes = backend_util.getReductionAxes(shape, outShape);
  const summed = axes.length > 0 ? sum(gradient, axes) : gradient;
  return reshape(summed, shape);
}
