// The CPU device. Each family of primitives is implemented in a file of its name.
#pragma once

#include "cpu/buffer_cache.h"
#include "fastweight/device.h"

namespace fastweight::cpu {

class CpuDevice final : public Device {
 public:
  // cpu_device.cc
  CpuDevice();
  const char* name() const override { return "cpu"; }
  void* allocate(size_t bytes) override;
  void release(void* memory, size_t bytes) override;
  size_t peakBytes() const override { return buffers_.peakBytes(); }
  void resetPeakBytes() override { buffers_.resetPeakBytes(); }
  void copyFromHost(void* device, const void* host, size_t bytes) override;
  void copyToHost(void* host, const void* device, size_t bytes) override;
  std::unique_ptr<HostRead> startRead(const void*, size_t) override { return nullptr; }
  void copy(void* to, const void* from, size_t bytes) override;
  void zero(void* memory, size_t bytes) override;
  Status synchronize() override { return Status::ok(); }
  std::unique_ptr<Marker> mark() override;
  Status setMatmulPrecision(MatmulPrecision precision) override;

  // gemm.cc
  void gemm(const Gemm&) override;
  void symmetricProduct(const SymmetricProduct&) override;

  // swiglu.cc
  void swiglu(const Swiglu&) override;
  void swigluGradient(const SwigluGradient&) override;
  void scaleSwigluGradient(const ScaleSwigluGradient&) override;
  void swigluGradientBackward(const SwigluGradientBackward&) override;
  int64_t tileTokens(int64_t rows, int64_t hiddenDim) const override;
  size_t keptBytesLimit() const override;

  // normalise.cc
  void frobeniusNormalise(const FrobeniusNormalise&) override;
  void frobeniusNormaliseBackward(const FrobeniusNormaliseBackward&) override;
  void transposeMatrices(const TransposeMatrices&) override;
  void stepAndRenormalise(const StepAndRenormalise&) override;
  void renormaliseBackward(const RenormaliseBackward&) override;
  void rowNorms(int64_t rows, int64_t columns, const float* w, float* norms) override;
  void rowNormsBackward(int64_t rows, int64_t columns, const float* w, const float* norms,
                        const float* normsCotangent, float* wCotangent) override;
  void dotRows(int64_t batch, int64_t count, const float* x, const float* y, float* out) override;

  // vector.cc
  void axpby(int64_t count, float alpha, const float* x, float beta, float* y) override;
  void scaleRows(int64_t batch, int64_t count, const float* scales, float* y) override;
  void sumRows(int64_t batch, int64_t count, int64_t stride, const float* x, float* out) override;
  void addToRows(int64_t batch, int64_t count, int64_t stride, float alpha, const float* x,
                 float* y) override;
  bool allFinite(int64_t count, const float* x) override;

  // elementwise.cc
  void unary(UnaryOp op, int64_t count, float p, float q, const float* x, float* y) override;
  void predicate(PredicateOp op, int64_t count, const float* x, uint8_t* y) override;
  bool binary(BinaryOp op, ElementType type, const StridedPair& layout, const void* a,
              const void* b, void* y) override;
  void select(int elementBytes, int64_t count, const uint8_t* condition, const void* a,
              const void* b, void* y) override;
  void cast(ElementType from, ElementType to, int64_t count, const void* x, void* y) override;
  void fill(ElementType type, int64_t count, double value, void* y) override;
  void range(ElementType type, int64_t count, double start, double step, void* y) override;
  void oneHot(ElementType type, int64_t count, int64_t depth, double on, double off,
              const int32_t* indices, void* y) override;

  // reduce.cc
  bool reduce(ReduceOp op, ElementType type, int64_t outer, int64_t reduced, int64_t inner,
              const void* x, void* y) override;
  void argReduce(bool largest, int64_t outer, int64_t reduced, int64_t inner, const float* x,
                 int32_t* y) override;
  void softmax(int64_t rows, int64_t columns, const float* x, float* y) override;
  void cumulative(bool product, bool exclusive, bool reverse, int64_t outer, int64_t size,
                  int64_t inner, const float* x, float* y) override;

  // strided_copy.cc
  void copyStrided(int elementBytes, const StridedPair& layout, const void* from,
                   void* to) override;

  // gather.cc
  bool gather(const Gather& g, int32_t* wrongIndex) override;
  void segmentSum(int64_t rows, int64_t inner, int64_t segments, const float* x, const int32_t* ids,
                  float* y) override;

  // attention.cc
  Status attention(const Attention&) override;
  Status attentionBackward(const AttentionBackward&) override;

  // sequence_kernels.cc
  void normaliseRows(const NormaliseRows&) override;
  Status normaliseRowsBackward(const NormaliseRowsBackward&) override;
  Status rotary(const Rotary&) override;
  void activate(const Activate&) override;
  void activateBackward(const ActivateBackward&) override;
  int64_t firstLabelOutOfRange(int64_t rows, int64_t classes, const int32_t* labels) override;
  void crossEntropy(const CrossEntropy&) override;
  void crossEntropyBackward(const CrossEntropyBackward&) override;

  // optimizers.cc
  void adamW(const AdamWStep& step, int64_t tensors, const AdamWTensor* tensor) override;
  void muonMomentum(const MuonMomentum&) override;
  Status globalNorm(int64_t tensors, const FloatsView* tensor, float* norm) override;

  // convolution.cc
  void gatherPatches(const Convolution& shape, int64_t first, int64_t count, const float* x,
                     float* patches) override;
  void sumPatches(const Convolution& shape, int64_t first, int64_t images, const float* patches,
                  float* x) override;

  // random.cc
  void randomUniform(uint64_t seed, int64_t count, float low, float high, float* y) override;
  void randomNormal(uint64_t seed, int64_t count, float mean, float deviation, float* y) override;
  void dropout(uint64_t seed, int64_t count, double rate, const float* x, float* y) override;

 private:
  BufferCache buffers_;
};

}  // namespace fastweight::cpu
