#include <algorithm>
#include <string>

#include "cuda/matrix_products.h"

namespace fastweight::cuda {
namespace {

/// What the algorithms of Hopper ask for.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;
constexpr int64_t kMostAlignment = 256;

cudaDataType_t typeOf(Element element) {
  if (element == Element::kFloat32) return CUDA_R_32F;
  return element == Element::kBfloat16 ? CUDA_R_16BF : CUDA_R_16F;
}

/// The largest power of two, up to kMostAlignment, that all matrices of a batch are aligned to.
uint32_t alignmentOf(const Operand& operand, int64_t batch, Element element) {
  int64_t bits = static_cast<int64_t>(reinterpret_cast<uintptr_t>(operand.data)) | kMostAlignment;
  if (batch > 1) bits |= operand.stride * bytesOf(element);
  return static_cast<uint32_t>(bits & -bits);
}

/// A row-major matrix [rows, columns] is, to cuBLASLt, the column-major [columns, rows].
class Layout {
 public:
  Layout(const CublasLt& lt, Element element, int64_t rows, int64_t columns, int64_t batch,
         const Operand& operand)
      : lt_(lt) {
    const auto height = static_cast<uint64_t>(columns), width = static_cast<uint64_t>(rows);
    ok_ = lt.MatrixLayoutCreate(&layout_, typeOf(element), height, width, operand.leading) ==
          CUBLAS_STATUS_SUCCESS;
    const auto count = static_cast<int32_t>(batch);
    set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count);
    set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &operand.stride, sizeof operand.stride);
  }
  ~Layout() {
    if (layout_ != nullptr) lt_.MatrixLayoutDestroy(layout_);
  }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;

  bool isOk() const { return ok_; }
  cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  void set(cublasLtMatrixLayoutAttribute_t attribute, const void* value, size_t bytes) {
    ok_ = ok_ &&
          lt_.MatrixLayoutSetAttribute(layout_, attribute, value, bytes) == CUBLAS_STATUS_SUCCESS;
  }

  const CublasLt& lt_;
  cublasLtMatrixLayout_t layout_ = nullptr;
  bool ok_ = false;
};

/// The product, as cuBLASLt takes it: c^T = op(b)^T op(a)^T in column-major order.
class Description {
 public:
  Description(const CublasLt& lt, const Product& p)
      : lt_(lt),
        first_(lt, p.inputs, p.transposeB ? p.n : p.k, p.transposeB ? p.k : p.n, p.batch, p.b),
        second_(lt, p.inputs, p.transposeA ? p.k : p.m, p.transposeA ? p.m : p.k, p.batch, p.a),
        addend_(lt, p.results, p.m, p.n, p.batch, p.addend),
        result_(lt, p.results, p.m, p.n, p.batch, p.c) {
    const bool fast = p.tf32 && p.inputs == Element::kFloat32;
    ok_ = first_.isOk() && second_.isOk() && addend_.isOk() && result_.isOk() &&
          lt.MatmulDescCreate(&operation_, fast ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                              CUDA_R_32F) == CUBLAS_STATUS_SUCCESS;
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.transposeB ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.transposeA ? CUBLAS_OP_T : CUBLAS_OP_N);
  }
  ~Description() {
    if (operation_ != nullptr) lt_.MatmulDescDestroy(operation_);
  }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;

  bool isOk() const { return ok_; }

  /// cuBLASLt's choice; no algorithm that sums in an order that may change.
  cublasStatus_t choose(cublasLtHandle_t handle, const Product& p,
                        cublasLtMatmulAlgo_t* algorithm) const {
    cublasLtMatmulPreference_t preference = nullptr;
    cublasStatus_t status = lt_.MatmulPreferenceCreate(&preference);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      if (status != CUBLAS_STATUS_SUCCESS) return;
      status = lt_.MatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value);
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kWorkspaceBytes});
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           uint32_t{CUBLASLT_REDUCTION_SCHEME_MASK & ~CUBLASLT_REDUCTION_SCHEME_INPLACE});
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignmentOf(p.b, p.batch, p.inputs));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignmentOf(p.a, p.batch, p.inputs));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignmentOf(p.addend, p.batch, p.results));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignmentOf(p.c, p.batch, p.results));
    cublasLtMatmulHeuristicResult_t found = {};
    int count = 0;
    if (status == CUBLAS_STATUS_SUCCESS) {
      status =
          lt_.MatmulAlgoGetHeuristic(handle, operation_, first_.get(), second_.get(), addend_.get(),
                                     result_.get(), preference, 1, &found, &count);
    }
    lt_.MatmulPreferenceDestroy(preference);
    if (status == CUBLAS_STATUS_SUCCESS && count == 0) status = CUBLAS_STATUS_NOT_SUPPORTED;
    if (status == CUBLAS_STATUS_SUCCESS) *algorithm = found.algo;
    return status;
  }

  cublasStatus_t run(cublasLtHandle_t handle, const Product& p,
                     const cublasLtMatmulAlgo_t& algorithm, void* workspace,
                     cudaStream_t stream) const {
    return lt_.Matmul(handle, operation_, &p.alpha, p.b.data, first_.get(), p.a.data, second_.get(),
                      &p.beta, p.addend.data, addend_.get(), const_cast<void*>(p.c.data),
                      result_.get(), &algorithm, workspace, kWorkspaceBytes, stream);
  }

 private:
  void set(cublasLtMatmulDescAttributes_t attribute, cublasOperation_t value) {
    ok_ = ok_ && lt_.MatmulDescSetAttribute(operation_, attribute, &value, sizeof value) ==
                     CUBLAS_STATUS_SUCCESS;
  }

  const CublasLt& lt_;
  cublasLtMatmulDesc_t operation_ = nullptr;
  Layout first_, second_, addend_, result_;
  bool ok_ = false;
};

}  // namespace

MatrixProducts::MatrixProducts(Stream& stream, DeviceMemory& memory)
    : stream_(stream), memory_(memory) {}

MatrixProducts::~MatrixProducts() {
  if (handle_ != nullptr) lt_->Destroy(handle_);
  memory_.release(workspace_, kWorkspaceBytes);
}

Status MatrixProducts::start() {
  std::string reason;
  lt_ = CublasLt::load(&reason);
  if (lt_ == nullptr) {
    return Status(Code::kDeviceUnavailable, "Expected cuBLASLt but got " + reason);
  }
  const cublasStatus_t status = lt_->Create(&handle_);
  if (status == CUBLAS_STATUS_SUCCESS) return Status::ok();
  return Status(Code::kDeviceUnavailable, "Expected cuBLASLt to start but got its status " +
                                              std::to_string(static_cast<int>(status)));
}

MatrixProducts::Key MatrixProducts::keyOf(const Product& p) {
  const uint32_t kind = (p.transposeA ? 1u : 0u) | (p.transposeB ? 2u : 0u) | (p.tf32 ? 4u : 0u) |
                        static_cast<uint32_t>(p.inputs) << 3 |
                        static_cast<uint32_t>(p.results) << 5 |
                        (p.c.data == p.addend.data ? 128u : 0u);
  // Powers of two up to 256, five bits each.
  uint32_t alignments = 0;
  for (const uint32_t alignment :
       {alignmentOf(p.a, p.batch, p.inputs), alignmentOf(p.b, p.batch, p.inputs),
        alignmentOf(p.addend, p.batch, p.results), alignmentOf(p.c, p.batch, p.results)}) {
    uint32_t exponent = 0;
    while ((1u << exponent) < alignment) ++exponent;
    alignments = alignments << 5 | exponent;
  }
  return {p.batch,
          p.m,
          p.n,
          p.k,
          p.a.leading,
          p.a.stride,
          p.b.leading,
          p.b.stride,
          p.addend.leading,
          p.addend.stride,
          p.c.leading,
          p.c.stride,
          kind,
          alignments};
}

void MatrixProducts::multiply(const Product& given) {
  Product p = given;
  if (p.batch <= 0 || p.m <= 0 || p.n <= 0) return;
  if (p.beta == 0) p.addend = p.c;
  if (p.batch == 1) p.a.stride = p.b.stride = p.addend.stride = p.c.stride = 0;
  stream_.activate();
  if (workspace_ == nullptr) workspace_ = memory_.allocate(kWorkspaceBytes);
  if (workspace_ == nullptr) {
    stream_.record(Status(Code::kOutOfMemory, "Expected room for cuBLASLt's workspace of " +
                                                  std::to_string(kWorkspaceBytes) +
                                                  " bytes but got none"));
    return;
  }
  const Description description(*lt_, p);
  cublasStatus_t status = CUBLAS_STATUS_NOT_SUPPORTED;
  if (description.isOk()) {
    const Key key = keyOf(p);
    auto found = algorithms_.find(key);
    status = CUBLAS_STATUS_SUCCESS;
    if (found == algorithms_.end()) {
      cublasLtMatmulAlgo_t algorithm = {};
      status = description.choose(handle_, p, &algorithm);
      if (status == CUBLAS_STATUS_SUCCESS) found = algorithms_.emplace(key, algorithm).first;
    }
    if (status == CUBLAS_STATUS_SUCCESS) {
      status = description.run(handle_, p, found->second, workspace_, stream_.handle());
    }
  }
  if (status == CUBLAS_STATUS_SUCCESS) return;
  stream_.record(Status(Code::kInternal,
                        "Expected cuBLASLt to multiply " + std::to_string(p.batch) + " x [" +
                            std::to_string(p.m) + ", " + std::to_string(p.k) + "] by [" +
                            std::to_string(p.k) + ", " + std::to_string(p.n) +
                            "] but got its status " + std::to_string(static_cast<int>(status))));
}

}  // namespace fastweight::cuda
