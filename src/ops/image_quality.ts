import {
  add,
  div,
  log,
  matMul,
  mean,
  mul,
  reshape,
  square,
  squaredDifference,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor5D,
  tensor2d,
  tidy,
} from '@tensorflow/tfjs-core';
import { withFloat32Products } from '../backend/matmul_precision';
import { expected } from '../native/errors';
import { assertTensor } from './validate';

/** Width and standard deviation in pixels of the window that SSIM looks through. */
const windowSize = 11;
const windowDeviation = 1.5;

/** The constants (0.01 L)^2 and (0.03 L)^2 for colours of range L = 1. */
const luminanceConstant = 0.01 ** 2;
const contrastConstant = 0.03 ** 2;

function assertImages(image: Tensor5D, reference: Tensor5D): void {
  assertTensor('image', image, ['batch', 'views', 'channels', 'height', 'width']);
  assertTensor('reference', reference, image.shape);
}

/**
 * Peak signal-to-noise ratio of each image in dB, for colours in [0, 1]: -10 log10 of the mean
 * squared error; infinite where there is no error.
 *
 * @param image, reference [batch, views, channels, height, width]
 * @returns [batch, views]
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT
 */
export function psnr(image: Tensor5D, reference: Tensor5D): Tensor2D {
  assertImages(image, reference);
  return tidy(() => {
    const errors = mean<Tensor2D>(squaredDifference(image, reference), [2, 3, 4]);
    return mul(log(errors), -10 / Math.LN10);
  });
}

/** [pixels - windowSize + 1, pixels]: each row weighs the pixels of one window. */
function gaussianWindows(pixels: number): Tensor2D {
  const weights = Array.from({ length: windowSize }, (_, at) =>
    Math.exp(-((at - (windowSize - 1) / 2) ** 2) / (2 * windowDeviation ** 2)),
  );
  const sum = weights.reduce((all, weight) => all + weight);
  const rows = pixels - windowSize + 1;
  const matrix = new Float32Array(rows * pixels);
  for (let row = 0; row < rows; row++) {
    weights.forEach((weight, at) => {
      matrix[row * pixels + row + at] = weight / sum;
    });
  }
  return tensor2d(matrix, [rows, pixels]);
}

/**
 * Structural similarity of each image, 1 where it is the same: through an 11 x 11 Gaussian window of
 * deviation 1.5, whole windows only, each channel by itself, averaged (Wang et al., "Image quality
 * assessment: from error visibility to structural similarity", 2004). Differentiable.
 *
 * @param image, reference colours in [0, 1], [batch, views, channels, height, width], sides of at
 * least 11 pixels
 * @returns [batch, views]
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_ARGUMENT
 */
export function ssim(image: Tensor5D, reference: Tensor5D): Tensor2D {
  assertImages(image, reference);
  const [batch, views, channels, height, width] = image.shape;
  if (Math.min(height, width) < windowSize) {
    const got = `${height} x ${width}`;
    throw expected('ERR_SHAPE', `sides of at least ${windowSize} pixels`, 'image', got);
  }
  return tidy(() => {
    const count = batch * views * channels;
    const [down, across] = [gaussianWindows(height), gaussianWindows(width)];
    const windows = (x: Tensor): Tensor => {
      const flat = reshape(x, [count * height, width]);
      // Variances are small differences of these: no rounding may reach them.
      return withFloat32Products(() => {
        const rows = reshape(matMul(flat, across, false, true), [count, height, -1]);
        return matMul(reshape(down, [1, ...down.shape]), rows);
      });
    };
    const [meanX, meanY] = [windows(image), windows(reference)];
    const meanProduct = mul(meanX, meanY);
    const meanSquares = add(square(meanX), square(meanY));
    const covariance = sub(windows(mul(image, reference)), meanProduct);
    const variances = sub(windows(add(square(image), square(reference))), meanSquares);
    const luminance = div(
      add(mul(2, meanProduct), luminanceConstant),
      add(meanSquares, luminanceConstant),
    );
    const structure = div(
      add(mul(2, covariance), contrastConstant),
      add(variances, contrastConstant),
    );
    const similarity = reshape(mul(luminance, structure), [batch, views, -1]);
    return mean<Tensor2D>(similarity, 2);
  });
}
