// Newton-Schulz orthogonalisation (Muon), forward and backward.
#pragma once

#include <cstdint>
#include <vector>

#include "fastweight/device.h"

namespace fastweight {

/// One step's coefficients: with A = x x^T, x <- a x + (b A + c A A) x.
struct NewtonSchulzStep {
  float a = 0, b = 0, c = 0;
};
using NewtonSchulzSchedule = std::vector<NewtonSchulzStep>;

/// How a forward that keeps nothing runs the steps: on x, or on its Gram matrix with a restart
/// after the second step (Gram Newton-Schulz), which takes fewer operations where columns >= 2 rows
/// and is less exact: on a decaying spectrum in float32 it errs by 5e-5 where the standard one errs
/// by 7e-6. A forward that keeps its iterates, and so every backward, is a standard one.
enum class NewtonSchulzMethod { kStandard, kGram };

/// Some of the matrices of one call: `batch` packed matrices [rows, columns].
struct NewtonSchulzMatrices {
  int64_t batch = 0, rows = 0, columns = 0;

  int64_t shorter() const { return rows < columns ? rows : columns; }
  int64_t longer() const { return rows < columns ? columns : rows; }
  int64_t count() const { return batch * rows * columns; }
};

/// Runs the schedule on groups of matrices that have one shape once turned to rows <= columns, all
/// in one batch. The groups lie one behind the other in memory. Workspaces are the caller's.
class NewtonSchulz {
 public:
  NewtonSchulz(Device& device, NewtonSchulzSchedule schedule,
               std::vector<NewtonSchulzMatrices> groups, float epsilon = 1e-7f,
               NewtonSchulzMethod method = NewtonSchulzMethod::kStandard);

  /// Workspace of forward().
  int64_t forwardFloats() const;
  /// What forwardKeeping() keeps for backward().
  int64_t iterateFloats() const;
  /// Workspace of backward().
  int64_t backwardFloats() const;

  /// out = NewtonSchulz(d). out may alias d.
  void forward(const float* d, float* out, float* workspace) const;
  /// The same, and keeps every iterate in `iterates`.
  void forwardKeeping(const float* d, float* out, float* iterates) const;
  /// dCotangent from outCotangent and the forward's iterates. dCotangent may alias outCotangent.
  void backward(const float* iterates, const float* outCotangent, float* dCotangent,
                float* workspace) const;

 private:
  int64_t matrixFloats() const { return batch_ * shorter_ * longer_; }
  int64_t gramFloats() const { return batch_ * shorter_ * shorter_; }
  /// Floats of the norms, rounded up so that what follows stays aligned.
  int64_t normFloats() const { return (batch_ + 15) / 16 * 16; }

  /// Who reads a step's results: products alone, products but of y everybody, or everybody.
  enum class Reader { kProducts, kProductsThenAll, kAll };

  void normalise(const float* d, float* x, float* norms) const;
  /// Matrices with rows <= columns to the groups' own orientation, or the other way round.
  void reorient(const float* from, float* to, bool toGroups) const;
  /// gram = x x^T, polynomial = b gram + c gram gram, y = a x + polynomial x.
  void step(const NewtonSchulzStep& coefficients, const float* x, float* gram, float* polynomial,
            float* y, Reader reader) const;
  /// polynomial = b gram + c gram gram + diagonal I.
  void polynomialOf(const NewtonSchulzStep& coefficients, const float* gram, float* polynomial,
                    float diagonal, Reader reader) const;
  void standardSteps(float*& x, float* y, float* out, float* grams) const;
  void gramSteps(float*& x, float* y, float* out, float* grams) const;
  /// c = a b for symmetric a and b that commute.
  void commutingProduct(const float* a, const float* b, float* c) const;
  void gramOf(const float* x, float* gram, Reader reader) const;
  /// xCotangent from yCotangent of one step.
  void stepBackward(const NewtonSchulzStep& coefficients, const float* x, const float* gram,
                    const float* polynomial, const float* yCotangent, float* inner,
                    float* gramCotangent, float* xCotangent) const;

  Device& device_;
  NewtonSchulzSchedule schedule_;
  std::vector<NewtonSchulzMatrices> groups_;
  float epsilon_;
  NewtonSchulzMethod method_;
  int64_t batch_ = 0, shorter_ = 0, longer_ = 0;
  /// Whether a group's rows outnumber its columns.
  bool turns_ = false;
};

}  // namespace fastweight
