#include "fastweight/newton_schulz.h"

#include <utility>

namespace fastweight {

NewtonSchulz::NewtonSchulz(Device& device, NewtonSchulzSchedule schedule,
                           std::vector<NewtonSchulzMatrices> groups, float epsilon)
    : device_(device),
      schedule_(std::move(schedule)),
      groups_(std::move(groups)),
      epsilon_(epsilon) {
  shorter_ = groups_.front().shorter();
  longer_ = groups_.front().longer();
  for (const NewtonSchulzMatrices& group : groups_) batch_ += group.batch;
}

int64_t NewtonSchulz::forwardFloats() const {
  return normFloats() + 2 * matrixFloats() + 2 * gramFloats();
}

int64_t NewtonSchulz::backwardFloats() const {
  const int64_t steps = static_cast<int64_t>(schedule_.size());
  return normFloats() + (steps + 1) * matrixFloats() + 2 * steps * gramFloats() +
         2 * matrixFloats() + 2 * gramFloats();
}

void NewtonSchulz::forward(const float* d, float* out, float* workspace) const {
  float* norms = workspace;
  float* x = norms + normFloats();
  float* y = x + matrixFloats();
  float* gram = y + matrixFloats();
  float* polynomial = gram + gramFloats();
  normalise(d, x, norms);
  for (const NewtonSchulzStep& coefficients : schedule_) {
    step(coefficients, x, gram, polynomial, y);
    std::swap(x, y);
  }
  for (const NewtonSchulzMatrices& group : groups_) {
    if (group.rows > group.columns) {
      TransposeMatrices turn;
      turn.batch = group.batch;
      turn.rows = group.columns;
      turn.columns = group.rows;
      turn.x = packed(static_cast<const float*>(x), group.columns, group.rows);
      turn.y = packed(out, group.rows, group.columns);
      device_.transposeMatrices(turn);
    } else {
      device_.copy(out, x, static_cast<size_t>(group.count()) * sizeof(float));
    }
    x += group.count();
    out += group.count();
  }
}

void NewtonSchulz::backward(const float* d, const float* outCotangent, float* dCotangent,
                            float* workspace) const {
  const size_t steps = schedule_.size();
  float* norms = workspace;
  float* xs = norms + normFloats();
  float* grams = xs + static_cast<int64_t>(steps + 1) * matrixFloats();
  float* polynomials = grams + static_cast<int64_t>(steps) * gramFloats();
  float* yCotangent = polynomials + static_cast<int64_t>(steps) * gramFloats();
  float* xCotangent = yCotangent + matrixFloats();
  float* inner = xCotangent + matrixFloats();
  float* gramCotangent = inner + gramFloats();

  normalise(d, xs, norms);
  for (size_t i = 0; i < steps; ++i) {
    const int64_t at = static_cast<int64_t>(i);
    step(schedule_[i], xs + at * matrixFloats(), grams + at * gramFloats(),
         polynomials + at * gramFloats(), xs + (at + 1) * matrixFloats());
  }

  float* turned = yCotangent;
  for (const NewtonSchulzMatrices& group : groups_) {
    if (group.rows > group.columns) {
      TransposeMatrices turn;
      turn.batch = group.batch;
      turn.rows = group.rows;
      turn.columns = group.columns;
      turn.x = packed(outCotangent, group.rows, group.columns);
      turn.y = packed(turned, group.columns, group.rows);
      device_.transposeMatrices(turn);
    } else {
      device_.copy(turned, outCotangent, static_cast<size_t>(group.count()) * sizeof(float));
    }
    turned += group.count();
    outCotangent += group.count();
  }

  for (size_t i = steps; i-- > 0;) {
    const int64_t at = static_cast<int64_t>(i);
    stepBackward(schedule_[i], xs + at * matrixFloats(), grams + at * gramFloats(),
                 polynomials + at * gramFloats(), yCotangent, inner, gramCotangent, xCotangent);
    std::swap(xCotangent, yCotangent);
  }

  int64_t matrix = 0, offset = 0;
  for (const NewtonSchulzMatrices& group : groups_) {
    FrobeniusNormaliseBackward normalise;
    normalise.batch = group.batch;
    normalise.rows = group.rows;
    normalise.columns = group.columns;
    normalise.transpose = group.rows > group.columns;
    normalise.epsilon = epsilon_;
    normalise.x = packed(static_cast<const float*>(xs) + offset, shorter_, longer_);
    normalise.xCotangent =
        packed(static_cast<const float*>(yCotangent) + offset, shorter_, longer_);
    normalise.norms = norms + matrix;
    normalise.dCotangent = packed(dCotangent + offset, group.rows, group.columns);
    device_.frobeniusNormaliseBackward(normalise);
    matrix += group.batch;
    offset += group.count();
  }
}

void NewtonSchulz::normalise(const float* d, float* x, float* norms) const {
  for (const NewtonSchulzMatrices& group : groups_) {
    FrobeniusNormalise normalise;
    normalise.batch = group.batch;
    normalise.rows = group.rows;
    normalise.columns = group.columns;
    normalise.transpose = group.rows > group.columns;
    normalise.epsilon = epsilon_;
    normalise.d = packed(d, group.rows, group.columns);
    normalise.x = packed(x, shorter_, longer_);
    normalise.norms = norms;
    device_.frobeniusNormalise(normalise);
    d += group.count();
    x += group.count();
    norms += group.batch;
  }
}

void NewtonSchulz::step(const NewtonSchulzStep& coefficients, const float* x, float* gram,
                        float* polynomial, float* y) const {
  SymmetricProduct product;
  product.batch = batch_;
  product.n = shorter_;
  product.k = longer_;
  product.a = product.b = packed(x, shorter_, longer_);
  product.c = packed(gram, shorter_, shorter_);
  device_.symmetricProduct(product);

  product.k = shorter_;
  product.alpha = coefficients.c;
  product.beta = coefficients.b;
  product.a = product.b = product.addend =
      packed(static_cast<const float*>(gram), shorter_, shorter_);
  product.c = packed(polynomial, shorter_, shorter_);
  device_.symmetricProduct(product);

  device_.copy(y, x, static_cast<size_t>(matrixFloats()) * sizeof(float));
  Gemm gemm;
  gemm.batch = batch_;
  gemm.m = gemm.k = shorter_;
  gemm.n = longer_;
  gemm.beta = coefficients.a;
  gemm.a = packed(static_cast<const float*>(polynomial), shorter_, shorter_);
  gemm.b = packed(x, shorter_, longer_);
  gemm.c = packed(y, shorter_, longer_);
  device_.gemm(gemm);
}

void NewtonSchulz::stepBackward(const NewtonSchulzStep& coefficients, const float* x,
                                const float* gram, const float* polynomial, const float* yCotangent,
                                float* inner, float* gramCotangent, float* xCotangent) const {
  // y = a x + B x with B = b A + c A A and A = x x^T, all symmetric. With P = sym(dy x^T):
  // dA + dA^T = 2 b P + 2 c (A P + (A P)^T), and dx = a dy + B dy + (dA + dA^T) x.
  const ConstMatrices xView = packed(x, shorter_, longer_);
  const ConstMatrices dy = packed(yCotangent, shorter_, longer_);
  SymmetricProduct product;
  product.batch = batch_;
  product.n = shorter_;
  product.k = longer_;
  product.symmetrise = true;
  product.a = dy;
  product.b = xView;
  product.c = packed(inner, shorter_, shorter_);
  device_.symmetricProduct(product);

  product.k = shorter_;
  product.alpha = 4 * coefficients.c;
  product.beta = 2 * coefficients.b;
  product.a = packed(gram, shorter_, shorter_);
  product.b = product.addend = packed(static_cast<const float*>(inner), shorter_, shorter_);
  product.c = packed(gramCotangent, shorter_, shorter_);
  device_.symmetricProduct(product);

  device_.copy(xCotangent, yCotangent, static_cast<size_t>(matrixFloats()) * sizeof(float));
  Gemm gemm;
  gemm.batch = batch_;
  gemm.m = gemm.k = shorter_;
  gemm.n = longer_;
  gemm.beta = coefficients.a;
  gemm.a = packed(polynomial, shorter_, shorter_);
  gemm.b = dy;
  gemm.c = packed(xCotangent, shorter_, longer_);
  device_.gemm(gemm);
  gemm.beta = 1;
  gemm.a = packed(static_cast<const float*>(gramCotangent), shorter_, shorter_);
  gemm.b = xView;
  device_.gemm(gemm);
}

}  // namespace fastweight
