// The CUDA device: one GPU, one stream. Each family of primitives is implemented in a file of its
// name. Primitives queue their kernels (launch.h) and return; what fails is recorded in the stream
// and comes out of synchronize(). Memory and copies are in stream order, so no primitive waits but
// those whose comments say so.
#pragma once

#include <memory>

#include "cuda/device_memory.h"
#include "cuda/graph_cache.h"
#include "cuda/host_staging.h"
#include "cuda/matrix_products.h"
#include "cuda/reduced_operands.h"
#include "cuda/stream.h"
#include "cuda/tile_products.h"
#include "fastweight/device.h"

namespace fastweight::cuda {

class CudaDevice final : public Device {
 public:
  // cuda_device.cu
  /// On GPU `index`. ERR_DEVICE_UNAVAILABLE with the reason.
  static Status create(int index, std::unique_ptr<Device>* device);
  const char* name() const override { return "cuda"; }
  void* allocate(size_t bytes) override { return memory_.allocate(bytes); }
  void release(void* memory, size_t bytes) override { memory_.release(memory, bytes); }
  size_t peakBytes() const override { return memory_.peakBytes(); }
  void resetPeakBytes() override { memory_.resetPeakBytes(); }
  void copyFromHost(void* device, const void* host, size_t bytes) override;
  void copyToHost(void* host, const void* device, size_t bytes) override;
  std::unique_ptr<HostRead> startRead(const void* device, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void zero(void* memory, size_t bytes) override;
  void queueReplayable(const ReplayKey& key, const std::function<void()>& work) override;
  Status synchronize() override;
  std::unique_ptr<Marker> mark() override;
  Status setMatmulPrecision(MatmulPrecision precision) override;

  // gemm.cu
  void gemm(const Gemm&) override;
  void gemms(int64_t count, const Gemm* products) override;

  // symmetric_product.cu
  void symmetricProduct(const SymmetricProduct&) override;

  // swiglu.cu
  void swiglu(const Swiglu&) override;
  void swigluGradient(const SwigluGradient&) override;
  void scaleSwigluGradient(const ScaleSwigluGradient&) override;
  int64_t tileTokens(int64_t rows, int64_t hiddenDim) const override;
  size_t keptBytesLimit() const override;
  void beginProducts() override;
  void endProducts() override;

  // swiglu_backward.cu
  void swigluGradientBackward(const SwigluGradientBackward&) override;

  // normalise.cu
  void frobeniusNormalise(const FrobeniusNormalise&) override;
  void frobeniusNormaliseBackward(const FrobeniusNormaliseBackward&) override;
  void transposeMatrices(const TransposeMatrices&) override;
  void stepAndRenormalise(const StepAndRenormalise&) override;
  void renormaliseBackward(const RenormaliseBackward&) override;
  void rowNorms(int64_t rows, int64_t columns, const float* w, float* norms) override;
  void rowNormsBackward(int64_t rows, int64_t columns, const float* w, const float* norms,
                        const float* normsCotangent, float* wCotangent) override;
  void dotRows(int64_t batch, int64_t count, const float* x, const float* y, float* out) override;

  // vector.cu
  void axpby(int64_t count, float alpha, const float* x, float beta, float* y) override;
  void scaleRows(int64_t batch, int64_t count, const float* scales, float* y) override;
  void sumRows(int64_t batch, int64_t count, int64_t stride, const float* x, float* out) override;
  void addToRows(int64_t batch, int64_t count, int64_t stride, float alpha, const float* x,
                 float* y) override;
  bool allFinite(int64_t count, const float* x) override;

  // elementwise.cu
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

  // reduce.cu
  bool reduce(ReduceOp op, ElementType type, int64_t outer, int64_t reduced, int64_t inner,
              const void* x, void* y) override;
  void argReduce(bool largest, int64_t outer, int64_t reduced, int64_t inner, const float* x,
                 int32_t* y) override;
  void softmax(int64_t rows, int64_t columns, const float* x, float* y) override;
  void cumulative(bool product, bool exclusive, bool reverse, int64_t outer, int64_t size,
                  int64_t inner, const float* x, float* y) override;

  // storage.cu
  bool storesBfloat16() const override { return true; }
  bool productsReadBfloat16() const override { return precision_ == MatmulPrecision::kBfloat16; }
  void roundToBfloat16(int64_t count, const float* x, void* y) override;
  void widenBfloat16(int64_t count, const void* x, float* y) override;

  // strided_copy.cu
  void copyStrided(int elementBytes, const StridedPair& layout, const void* from,
                   void* to) override;

  // gather.cu
  bool gather(const Gather& g, int32_t* wrongIndex) override;
  void segmentSum(int64_t rows, int64_t inner, int64_t segments, const float* x, const int32_t* ids,
                  float* y) override;

  // sequence_kernels.cu
  Status attention(const Attention&) override;
  Status attentionBackward(const AttentionBackward&) override;
  void normaliseRows(const NormaliseRows&) override;
  Status normaliseRowsBackward(const NormaliseRowsBackward&) override;
  Status rotary(const Rotary&) override;
  void activate(const Activate&) override;
  void activateBackward(const ActivateBackward&) override;
  int64_t firstLabelOutOfRange(int64_t rows, int64_t classes, const int32_t* labels) override;
  void crossEntropy(const CrossEntropy&) override;
  void crossEntropyBackward(const CrossEntropyBackward&) override;

  // optimizers.cu
  void adamW(const AdamWStep& step, int64_t tensors, const AdamWTensor* tensor) override;
  void muonMomentum(const MuonMomentum&) override;
  Status globalNorm(int64_t tensors, const FloatsView* tensor, float* norm) override;

  // convolution.cu
  void gatherPatches(const Convolution& shape, int64_t first, int64_t count, const float* x,
                     float* patches) override;
  void sumPatches(const Convolution& shape, int64_t first, int64_t images, const float* patches,
                  float* x) override;

  // random.cu
  void randomUniform(uint64_t seed, int64_t count, float low, float high, float* y) override;
  void randomNormal(uint64_t seed, int64_t count, float mean, float deviation, float* y) override;
  void dropout(uint64_t seed, int64_t count, double rate, const float* x, float* y) override;

 private:
  explicit CudaDevice(int index);

  // gemm.cu
  /// What an operand of a product is rounded to: 32 bits stay.
  Element operandElement(bool precise) const;
  /// Whether products' results may be kept in 16 bits where only products read them.
  bool reducesResults() const;
  /// Operand a, or b, of `g` in `element`; without data where there was no memory to round it to.
  Operand leftOf(const Gemm& g, const ConstMatrices& a, Element element);
  Operand rightOf(const Gemm& g, const ConstMatrices& b, Element element);
  /// op(a) op(b) of `g` in the precision that is set.
  Product productOf(const Gemm& g, const ConstMatrices& a, const ConstMatrices& b, float beta,
                    const ConstMatrices& addend);
  /// gemm() with operands, addend and result in 16 bits.
  void reducedGemm(const Gemm& g);
  /// gemm() to a result that is stored as bfloat16.
  void storedGemm(const Gemm& g);
  /// c = scale addend, or a scale a matrix.
  void scaleAddend(const Gemm& g, const ConstMatrices& addend);
  /// Whether gemms() takes this one in a launch with others.
  bool isWeightProduct(const Gemm& g) const;

  // symmetric_product.cu
  void reducedSymmetricProduct(const SymmetricProduct& s);
  void multiplyBlocks(const SymmetricProduct& s);

  // swiglu_backward.cu
  void reducedGradientBackward(const SwigluGradientBackward& p);

  // swiglu.cu
  /// Whether what only products read is written as bfloat16.
  bool producesBfloat16() const;
  /// Whether our own products make the hidden layer.
  bool multipliesHidden(int64_t keyDim, int64_t hiddenDim) const;
  /// The product [g | u] of `g`.
  GateUpProduct gateUpOf(const Gemm& g, int64_t hiddenDim);
  /// c = op(a) op(b) of `g`, all bfloat16.
  void multiplyToBfloat16(const Gemm& g, const Operand& c);
  /// scaleSwigluGradient() from activations of type In.
  template <typename In>
  void scaleTo(const ScaleSwigluGradient& p, const Operand& gateUp, const Operand& dHidden);

  Stream stream_;
  DeviceMemory memory_;
  HostStaging staging_;
  MatrixProducts products_;
  TileProducts tileProducts_;
  ReducedOperands operands_;
  GraphCache graphs_;
  MatmulPrecision precision_ = MatmulPrecision::kFloat32;
};

}  // namespace fastweight::cuda
