// The working state of a scan and what its forward and backward share.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/workspace.h"
#include "fastweight/fast_weight_scan.h"

namespace fastweight {

/// One set of fast weights as the algorithm holds it: w02 [rows, 2 hiddenDim, keyDim], w0 above w2
/// in each row, and behind it w1 [rows, valueDim, hiddenDim].
class WeightSet {
 public:
  WeightSet(const ScanShape& shape, float* data) : shape_(shape), data_(data) {}

  static int64_t floats02(const ScanShape& s) { return s.rows * 2 * s.hiddenDim * s.keyDim; }
  static int64_t floats1(const ScanShape& s) { return s.rows * s.valueDim * s.hiddenDim; }
  static int64_t floats(const ScanShape& s) { return floats02(s) + floats1(s); }
  /// Rows of all matrices together: each has a norm.
  static int64_t normRows(const ScanShape& s) { return normRows02(s) + s.rows * s.valueDim; }
  static int64_t normRows02(const ScanShape& s) { return s.rows * 2 * s.hiddenDim; }

  float* data() const { return data_; }
  int64_t count() const { return floats(shape_); }
  float* data1() const { return data_ + floats02(shape_); }
  Matrices w02() const { return packed(data_, 2 * shape_.hiddenDim, shape_.keyDim); }
  Matrices w1() const { return packed(data1(), shape_.valueDim, shape_.hiddenDim); }

 private:
  ScanShape shape_;
  float* data_;
};

/// Rows of a set's matrices that lie one behind the other.
struct WeightRows {
  /// Floats of the set before them, and norms before theirs.
  int64_t offset = 0, normRow = 0;
  int64_t rows = 0, columns = 0;
};

/// A few of a set's matrices, and Newton-Schulz on them alone.
struct NewtonSchulzPart {
  WeightRows rows;
  NewtonSchulz iteration;

  int64_t floats() const { return rows.rows * rows.columns; }
};

/// The scan's options and sizes bound to a device: the steps that forward and backward both take.
class ScanEngine {
 public:
  ScanEngine(Device& device, const ScanShape& shape, const Program& program,
             const ScanOptions& options, const ScanInputs& inputs);

  Device& device;
  const ScanShape& shape;
  const ScanOptions& options;
  const ScanInputs& inputs;
  /// Tokens that go through the products at a time: as the device says, and no more than the
  /// program's longest step has.
  const int64_t tile;

  bool hasMuon() const { return !options.newtonSchulz.empty(); }
  bool hasMomentum() const { return inputs.momentum != nullptr; }
  bool hasMain() const { return options.weightNorm == WeightNorm::kPre; }
  bool hasNorms() const { return options.weightNorm != WeightNorm::kNone; }
  int ranks() const { return options.communicator ? options.communicator->size() : 1; }

  ConstMatrices q() const { return packed(inputs.q, shape.tokens, shape.keyDim); }
  ConstMatrices k() const { return packed(inputs.k, shape.tokens, shape.keyDim); }
  ConstMatrices v() const { return packed(inputs.v, shape.tokens, shape.valueDim); }
  ConstMatrices rates() const { return packed(inputs.rates, shape.tokens, int64_t{3}); }
  WeightSet set(float* data) const { return WeightSet(shape, data); }

  /// `weights` into the algorithm's layout, and back.
  void gather(const FastWeights<const float>& weights, const WeightSet& set) const;
  void scatter(const WeightSet& set, const FastWeights<float>& weights) const;

  /// norms [WeightSet::normRows] of `set`.
  void rowNorms(const WeightSet& set, float* norms) const;
  /// Row norms into the algorithm's layout, w0 above w2 in each row and w1 behind, and back.
  void gatherNorms(const FastWeights<const float>& from, float* norms) const;
  void scatterNorms(const float* norms, const FastWeights<float>& to) const;
  /// betas [rows] = mean of the momentum coefficients over [start, end), over all ranks.
  /// `betas` has room for one float more. Returns the number of tokens of all ranks.
  double meanMomentum(const ProgramStep& step, float* betas) const;

  // Newton-Schulz on all of a set's matrices; sizes are 0 without Muon.
  int64_t newtonSchulzForwardFloats() const;
  int64_t newtonSchulzIterateFloats() const;
  int64_t newtonSchulzBackwardFloats() const;
  void newtonSchulzForward(const WeightSet& d, const WeightSet& out, float* workspace) const;
  /// Also keeps what the backward needs in `iterates`.
  void newtonSchulzForwardKeeping(const WeightSet& d, const WeightSet& out, float* iterates) const;
  /// dCotangent may be outCotangent.
  void newtonSchulzBackward(const float* iterates, const WeightSet& outCotangent,
                            const WeightSet& dCotangent, float* workspace) const;

  /// The rows of w02 and of w1.
  std::vector<WeightRows> allRows() const;
  /// All matrices in parts whose iterates take a small share of what a forward may keep, so that a
  /// backward that computes them again has few of them in memory at a time.
  std::vector<NewtonSchulzPart> newtonSchulzParts() const;

  /// Queues a whole pass as Device::queueReplayable() does; with more ranks than one, whose sums
  /// are no work of the device, by calling it.
  void queue(const ReplayKey& key, const std::function<void()>& pass) const;

  /// body(start, tokens) for each tile of [start, end).
  template <typename Body>
  void forTiles(const ProgramStep& step, Body body) const {
    device.beginProducts();
    for (int64_t start = step.start; start < step.end; start += tile) {
      body(start, step.end - start < tile ? step.end - start : tile);
    }
    device.endProducts();
  }

  /// A product of `tokens` tokens by weights, over all rows.
  Gemm tokenProduct(int64_t tokens, int64_t n, int64_t k, ConstMatrices a, ConstMatrices b,
                    bool transposeB, Matrices c, float beta) const;
  /// c [m, n] = a^T b summed over `tokens` tokens, plus beta * c.
  Gemm weightProduct(int64_t tokens, int64_t m, int64_t n, ConstMatrices a, ConstMatrices b,
                     Matrices c, float beta) const;

 private:
  /// One for all matrices where they have one shape once turned, else one for w0 and w2 and one
  /// for w1.
  std::vector<NewtonSchulz> newtonSchulz_;
};

}  // namespace fastweight
