#include "fastweight/newton_schulz.h"

#include <utility>

namespace fastweight {

NewtonSchulz::NewtonSchulz(Device& device, NewtonSchulzSchedule schedule,
                           std::vector<NewtonSchulzMatrices> groups, float epsilon,
                           NewtonSchulzMethod method)
    : device_(device),
      schedule_(std::move(schedule)),
      groups_(std::move(groups)),
      epsilon_(epsilon),
      method_(method) {
  shorter_ = groups_.front().shorter();
  longer_ = groups_.front().longer();
  for (const NewtonSchulzMatrices& group : groups_) {
    batch_ += group.batch;
    turns_ = turns_ || group.rows > group.columns;
  }
}

int64_t NewtonSchulz::forwardFloats() const {
  const int64_t grams = method_ == NewtonSchulzMethod::kGram ? 5 : 2;
  return normFloats() + 2 * matrixFloats() + grams * gramFloats();
}

int64_t NewtonSchulz::iterateFloats() const {
  const int64_t steps = static_cast<int64_t>(schedule_.size());
  return normFloats() + (steps + 1) * matrixFloats() + 2 * steps * gramFloats();
}

int64_t NewtonSchulz::backwardFloats() const { return 2 * matrixFloats() + 2 * gramFloats(); }

void NewtonSchulz::forward(const float* d, float* out, float* workspace) const {
  float* x = workspace + normFloats();
  float* y = x + matrixFloats();
  float* grams = y + matrixFloats();
  normalise(d, x, workspace);
  device_.beginProducts();
  if (method_ == NewtonSchulzMethod::kGram) {
    gramSteps(x, y, out, grams);
  } else {
    standardSteps(x, y, out, grams);
  }
  device_.endProducts();
  if (turns_) {
    reorient(x, out, true);
  } else if (schedule_.empty()) {
    device_.copy(out, x, static_cast<size_t>(matrixFloats()) * sizeof(float));
  }
}

// Both leave their result in `out` where nothing turns, else in x. Small singular values grow by
// two orders of magnitude over the steps, and what rounding adds to them as well; bfloat16 would
// add too much of it. Iterates are of about unit size, so that float16 holds them.

void NewtonSchulz::standardSteps(float*& x, float* y, float* out, float* grams) const {
  for (size_t i = 0; i < schedule_.size(); ++i) {
    const bool isLast = i + 1 == schedule_.size();
    step(schedule_[i], x, grams, grams + gramFloats(), isLast && !turns_ ? out : y,
         isLast ? Reader::kProductsThenAll : Reader::kProducts);
    std::swap(x, y);
  }
}

void NewtonSchulz::gramSteps(float*& x, float* y, float* out, float* grams) const {
  // With G = x x^T every later iterate is Q x, where Q is a polynomial of G: a step multiplies Q by
  // P = a I + b G + c G G and turns G into P G P. All of them are symmetric and commute.
  constexpr size_t kRestart = 2;
  float* gram = grams;
  float* step = gram + gramFloats();
  float* total = step + gramFloats();
  float* spare = total + gramFloats();
  float* spareGram = spare + gramFloats();
  for (size_t start = 0, end; start < schedule_.size(); start = end) {
    end = start == 0 && schedule_.size() > kRestart ? kRestart : schedule_.size();
    gramOf(x, gram, Reader::kProducts);
    for (size_t i = start; i < end; ++i) {
      float* polynomial = i == start ? total : step;
      polynomialOf(schedule_[i], gram, polynomial, schedule_[i].a, Reader::kProducts);
      if (i + 1 < end) {
        commutingProduct(polynomial, gram, spareGram);
        commutingProduct(spareGram, polynomial, gram);
      }
      if (i > start) {
        commutingProduct(step, total, spare);
        std::swap(total, spare);
      }
    }
    Gemm gemm;
    gemm.precise = true;
    gemm.forProducts = end < schedule_.size();
    gemm.batch = batch_;
    gemm.m = gemm.k = shorter_;
    gemm.n = longer_;
    gemm.a = packed(static_cast<const float*>(total), shorter_, shorter_);
    gemm.b = packed(static_cast<const float*>(x), shorter_, longer_);
    gemm.c = packed(end == schedule_.size() && !turns_ ? out : y, shorter_, longer_);
    device_.gemm(gemm);
    std::swap(x, y);
  }
}

// Iterates lie as norms, x of every step and of the end, and each step's gram and polynomial.

void NewtonSchulz::forwardKeeping(const float* d, float* out, float* iterates) const {
  float* x = iterates + normFloats();
  float* gram = x + static_cast<int64_t>(schedule_.size() + 1) * matrixFloats();
  normalise(d, x, iterates);
  device_.beginProducts();
  for (size_t i = 0; i < schedule_.size(); ++i) {
    const bool endsInOut = i + 1 == schedule_.size() && !turns_;
    step(schedule_[i], x, gram, gram + gramFloats(), endsInOut ? out : x + matrixFloats(),
         Reader::kAll);
    x += matrixFloats();
    gram += 2 * gramFloats();
  }
  device_.endProducts();
  if (turns_) reorient(x, out, true);
}

void NewtonSchulz::backward(const float* iterates, const float* outCotangent, float* dCotangent,
                            float* workspace) const {
  const float* xs = iterates + normFloats();
  const float* grams = xs + static_cast<int64_t>(schedule_.size() + 1) * matrixFloats();
  const float* yCotangent = outCotangent;
  float* xCotangent = workspace;
  float* spare = xCotangent + matrixFloats();
  float* inner = spare + matrixFloats();
  float* gramCotangent = inner + gramFloats();
  if (turns_) {
    reorient(outCotangent, spare, false);
    yCotangent = spare;
  }
  device_.beginProducts();
  for (size_t i = schedule_.size(); i-- > 0;) {
    const float* gram = grams + static_cast<int64_t>(2 * i) * gramFloats();
    stepBackward(schedule_[i], xs + static_cast<int64_t>(i) * matrixFloats(), gram,
                 gram + gramFloats(), yCotangent, inner, gramCotangent, xCotangent);
    yCotangent = xCotangent;
    std::swap(xCotangent, spare);
  }
  device_.endProducts();
  int64_t matrix = 0, offset = 0;
  for (const NewtonSchulzMatrices& group : groups_) {
    FrobeniusNormaliseBackward normalise;
    normalise.batch = group.batch;
    normalise.rows = group.rows;
    normalise.columns = group.columns;
    normalise.transpose = group.rows > group.columns;
    normalise.epsilon = epsilon_;
    normalise.x = packed(xs + offset, shorter_, longer_);
    normalise.xCotangent = packed(yCotangent + offset, shorter_, longer_);
    normalise.norms = iterates + matrix;
    normalise.dCotangent = packed(dCotangent + offset, group.rows, group.columns);
    device_.frobeniusNormaliseBackward(normalise);
    matrix += group.batch;
    offset += group.count();
  }
}

void NewtonSchulz::reorient(const float* from, float* to, bool toGroups) const {
  for (const NewtonSchulzMatrices& group : groups_) {
    if (group.rows > group.columns) {
      TransposeMatrices turn;
      turn.batch = group.batch;
      turn.rows = toGroups ? group.columns : group.rows;
      turn.columns = toGroups ? group.rows : group.columns;
      turn.x = packed(from, turn.rows, turn.columns);
      turn.y = packed(to, turn.columns, turn.rows);
      device_.transposeMatrices(turn);
    } else {
      device_.copy(to, from, static_cast<size_t>(group.count()) * sizeof(float));
    }
    from += group.count();
    to += group.count();
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

void NewtonSchulz::gramOf(const float* x, float* gram, Reader reader) const {
  SymmetricProduct product;
  product.forProducts = reader == Reader::kProducts;
  product.precise = true;
  product.batch = batch_;
  product.n = shorter_;
  product.k = longer_;
  product.a = product.b = packed(x, shorter_, longer_);
  product.c = packed(gram, shorter_, shorter_);
  device_.symmetricProduct(product);
}

void NewtonSchulz::polynomialOf(const NewtonSchulzStep& coefficients, const float* gram,
                                float* polynomial, float diagonal, Reader reader) const {
  SymmetricProduct product;
  product.diagonal = diagonal;
  product.forProducts = reader == Reader::kProducts;
  product.precise = true;
  product.batch = batch_;
  product.n = product.k = shorter_;
  product.alpha = coefficients.c;
  product.beta = coefficients.b;
  product.a = product.b = product.addend = packed(gram, shorter_, shorter_);
  product.c = packed(polynomial, shorter_, shorter_);
  device_.symmetricProduct(product);
}

void NewtonSchulz::commutingProduct(const float* a, const float* b, float* c) const {
  SymmetricProduct product;
  product.precise = product.forProducts = true;
  product.batch = batch_;
  product.n = product.k = shorter_;
  product.a = packed(a, shorter_, shorter_);
  product.b = packed(b, shorter_, shorter_);
  product.c = packed(c, shorter_, shorter_);
  device_.symmetricProduct(product);
}

void NewtonSchulz::step(const NewtonSchulzStep& coefficients, const float* x, float* gram,
                        float* polynomial, float* y, Reader reader) const {
  const Reader inner = reader == Reader::kAll ? Reader::kAll : Reader::kProducts;
  gramOf(x, gram, inner);
  polynomialOf(coefficients, gram, polynomial, 0, inner);
  Gemm gemm;
  gemm.precise = true;
  gemm.forProducts = reader == Reader::kProducts;
  gemm.batch = batch_;
  gemm.m = gemm.k = shorter_;
  gemm.n = longer_;
  gemm.beta = coefficients.a;
  gemm.a = packed(static_cast<const float*>(polynomial), shorter_, shorter_);
  gemm.b = gemm.addend = packed(x, shorter_, longer_);
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
  product.symmetrise = product.forProducts = true;
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

  Gemm gemm;
  gemm.batch = batch_;
  gemm.m = gemm.k = shorter_;
  gemm.n = longer_;
  gemm.beta = coefficients.a;
  gemm.a = packed(polynomial, shorter_, shorter_);
  gemm.b = gemm.addend = dy;
  gemm.a2 = packed(static_cast<const float*>(gramCotangent), shorter_, shorter_);
  gemm.b2 = xView;
  gemm.c = packed(xCotangent, shorter_, longer_);
  device_.gemm(gemm);
}

}  // namespace fastweight
