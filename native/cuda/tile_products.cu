#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "cuda/launch.h"
#include "cuda/tile_epilogues.cuh"
#include "cuda/tile_product.cuh"
#include "cuda/tile_products.h"

namespace fastweight::cuda {
namespace {

/// Lines of a box where an operand lies depthwise, else a line for each row of a tile.
constexpr int kDepthwiseLines = kStageDepth, kRowLines = kTileRows;

TileGroup groupOf(int64_t batch, int64_t rows, int64_t columns, int tileColumns) {
  TileGroup group = {};
  group.batch = static_cast<int>(batch);
  group.rows = static_cast<int>(rows);
  group.columns = static_cast<int>(columns);
  group.rowTiles = static_cast<int>(divideUp(rows, kTileRows));
  group.columnTiles = static_cast<int>(divideUp(columns, tileColumns));
  group.tileColumns = tileColumns;
  group.partDistance = kPartColumns;
  return group;
}

template <typename Element, bool aDepthwise, bool bDepthwise, int kParts, typename Epilogue>
void launchTiles(Stream& stream, const char* what, const TileWork<Epilogue>& work) {
  const int64_t blocks = std::min(work.tiles(), stream.multiprocessors());
  stream.activate();
  launch(stream, what, {blocks, kTileThreads, StagePlan<kParts>::kSharedBytes},
         tileProductKernel<Element, aDepthwise, bDepthwise, kParts, Epilogue>, work);
}

/// The driver's function, by way of the runtime, so that nothing is linked to the driver.
void* tensorMapEncoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  constexpr unsigned int kSince = 12000;
  const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                             kSince, cudaEnableDefault, &found);
  if (error != cudaSuccess) cudaGetLastError();  // a driver without it is no failure
  return error == cudaSuccess && found == cudaDriverEntryPointSuccess ? function : nullptr;
}

}  // namespace

TileProducts::TileProducts(Stream& stream) : stream_(stream) {
  const char* wanted = std::getenv("FASTWEIGHT_CUDA_PRODUCTS");
  if (wanted != nullptr && std::strcmp(wanted, "cublas") == 0) return;
  if (stream.computeMajor() != 9) return;
  encode_ = reinterpret_cast<Encode>(tensorMapEncoder());
}

CUtensorMap TileProducts::mapOf(Element element, const Operand& operand, int64_t batch,
                                int64_t rows, int64_t columns, int boxRows) {
  CUtensorMap map = {};
  const bool isShared = batch == 1 || operand.stride == 0;
  const cuuint64_t sizes[3] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows),
                               isShared ? 1 : static_cast<cuuint64_t>(batch)};
  const int64_t stride = isShared ? rows * operand.leading : operand.stride;
  const cuuint64_t strides[2] = {static_cast<cuuint64_t>(operand.leading * 2),
                                 static_cast<cuuint64_t>(stride * 2)};
  const cuuint32_t box[3] = {64, static_cast<cuuint32_t>(boxRows), 1};
  const cuuint32_t steps[3] = {1, 1, 1};
  const CUresult result =
      encode_(&map,
              element == Element::kFloat16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                           : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
              3, const_cast<void*>(operand.data), sizes, strides, box, steps,
              CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
              CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    stream_.record(Status(Code::kInternal, "Expected a tensor map of [" + std::to_string(rows) +
                                               ", " + std::to_string(columns) +
                                               "] but got the driver's error " +
                                               std::to_string(static_cast<int>(result))));
  }
  return map;
}

void TileProducts::multiplyWeights(int64_t count, const WeightProduct* products) {
  constexpr int kParts = 2;
  TileWork<AddEpilogue> work = {};
  work.groupCount = static_cast<int>(count);
  for (int64_t i = 0; i < count; ++i) {
    const WeightProduct& p = products[i];
    TileGroup& group = work.groups[i];
    group = groupOf(p.batch, p.rows, p.columns, kParts * kPartColumns);
    group.pairCount = 1;
    TilePair& pair = group.pairs[0];
    pair.depth = static_cast<int>(p.pair.depth);
    pair.a = mapOf(Element::kBfloat16, p.pair.a, p.batch, p.pair.depth, p.rows, kDepthwiseLines);
    pair.b = mapOf(Element::kBfloat16, p.pair.b, p.batch, p.pair.depth, p.columns, kDepthwiseLines);
    pair.aBatchStep = p.pair.a.stride != 0 ? 1 : 0;
    pair.bBatchStep = p.pair.b.stride != 0 ? 1 : 0;
    work.epilogues[i] = {p.alpha, p.beta, p.betas, viewOf(p.addend), viewOf(p.result)};
  }
  launchTiles<__nv_bfloat16, true, true, kParts>(stream_, "products of tokens", work);
}

void TileProducts::multiplySymmetric(const ReducedSymmetricProduct& p) {
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    TileWork<SymmetricEpilogue<T>> work = {};
    work.groupCount = 1;
    TileGroup& group = work.groups[0];
    group = groupOf(p.batch, p.n, p.n, kPartColumns);
    group.triangular = true;
    group.pairCount = p.pairCount;
    for (int i = 0; i < p.pairCount; ++i) {
      const ReducedPair& from = p.pairs[i];
      TilePair& pair = group.pairs[i];
      pair.depth = static_cast<int>(from.depth);
      pair.a = mapOf(p.element, from.a, p.batch, p.n, from.depth, kRowLines);
      pair.b = mapOf(p.element, from.b, p.batch, p.n, from.depth, kRowLines);
      pair.aBatchStep = from.a.stride != 0 ? 1 : 0;
      pair.bBatchStep = from.b.stride != 0 ? 1 : 0;
    }
    work.epilogues[0] = {p.alpha,
                         p.beta,
                         p.diagonal,
                         viewOf<const T>(p.reducedAddend),
                         viewOf(p.addend),
                         viewOf(p.result),
                         viewOf<T>(p.reducedResult)};
    launchTiles<T, false, false, 1>(stream_, "a symmetric product", work);
  };
  if (p.element == Element::kFloat16) {
    run(__half());
  } else {
    run(__nv_bfloat16());
  }
}

/// The group of a GateUpProduct: a part of gates, and one of what they gate.
TileGroup TileProducts::gateUpGroup(const GateUpProduct& p) {
  TileGroup group = groupOf(p.batch, p.tokens, p.hiddenDim, kPartColumns);
  group.partDistance = static_cast<int>(p.hiddenDim);
  group.pairCount = 1;
  TilePair& pair = group.pairs[0];
  pair.depth = static_cast<int>(p.pair.depth);
  pair.a = mapOf(Element::kBfloat16, p.pair.a, p.batch, p.tokens, p.pair.depth, kRowLines);
  pair.b = mapOf(Element::kBfloat16, p.pair.b, p.batch, 2 * p.hiddenDim, p.pair.depth, kRowLines);
  pair.aBatchStep = p.pair.a.stride != 0 ? 1 : 0;
  pair.bBatchStep = p.pair.b.stride != 0 ? 1 : 0;
  return group;
}

void TileProducts::swiglu(const GateUpProduct& p, const Operand& hidden, const Matrices& gateUp) {
  TileWork<SwigluEpilogue> work = {};
  work.groupCount = 1;
  work.groups[0] = gateUpGroup(p);
  work.epilogues[0] = {viewOf<__nv_bfloat16>(hidden), viewOf(gateUp)};
  launchTiles<__nv_bfloat16, false, false, 2>(stream_, "the hidden layer", work);
}

void TileProducts::swigluGradient(const GateUpProduct& p, const ConstMatrices& rates,
                                  const Operand& dHidden, const Operand& scaledGateUp,
                                  const Operand& scaledHidden) {
  TileWork<GradientEpilogue> work = {};
  work.groupCount = 1;
  work.groups[0] = gateUpGroup(p);
  work.epilogues[0] = {viewOf(rates), viewOf<const __nv_bfloat16>(dHidden),
                       viewOf<__nv_bfloat16>(scaledGateUp), viewOf<__nv_bfloat16>(scaledHidden)};
  launchTiles<__nv_bfloat16, false, false, 2>(stream_, "an update's gradient", work);
}

int64_t TileProducts::partsOfHidden(int64_t hiddenDim) { return divideUp(hiddenDim, kPartColumns); }

template <typename Activations>
void TileProducts::swigluGradientBackward(const GateUpProduct& p, const ConstMatrices& rates,
                                          const Activations& gateUp, const Activations& dHidden,
                                          const Operand& hiddenCotangent,
                                          const GradientBackwardResults& to) {
  using T = std::conditional_t<std::is_same_v<Activations, Operand>, __nv_bfloat16, float>;
  const auto view = [](const Activations& a) {
    if constexpr (std::is_same_v<Activations, Operand>) {
      return viewOf<const T>(a);
    } else {
      return viewOf(a);
    }
  };
  TileWork<GradientBackwardEpilogue<T>> work = {};
  work.groupCount = 1;
  work.groups[0] = gateUpGroup(p);
  work.epilogues[0] = {viewOf(rates),
                       view(gateUp),
                       view(dHidden),
                       viewOf<const __nv_bfloat16>(hiddenCotangent),
                       viewOf<__nv_bfloat16>(to.scaledGateUp),
                       viewOf<__nv_bfloat16>(to.scaledHidden),
                       viewOf<__nv_bfloat16>(to.gateUpCotangent),
                       viewOf<__nv_bfloat16>(to.dHiddenCotangent),
                       to.rateParts};
  launchTiles<__nv_bfloat16, false, false, 2>(stream_, "the backward of an update's gradient",
                                              work);
}

template void TileProducts::swigluGradientBackward(const GateUpProduct&, const ConstMatrices&,
                                                   const Operand&, const Operand&, const Operand&,
                                                   const GradientBackwardResults&);
template void TileProducts::swigluGradientBackward(const GateUpProduct&, const ConstMatrices&,
                                                   const ConstMatrices&, const ConstMatrices&,
                                                   const Operand&, const GradientBackwardResults&);

}  // namespace fastweight::cuda
