#include "fastweight/muon.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "core/workspace.h"

namespace fastweight {
namespace {

/// Floats that go through Newton-Schulz at a time; a single variable may have more.
constexpr int64_t kBatchFloats = int64_t{1} << 24;

/// Variables [first, last) of the sorted list, whose matrices are one batch.
struct Batch {
  size_t first = 0, last = 0;
  int64_t floats = 0;
};

auto shapeOf(const MuonTensor& tensor) {
  return std::make_pair(tensor.matrices.shorter(), tensor.matrices.longer());
}

std::vector<Batch> batchesOf(const std::vector<MuonTensor>& tensors) {
  std::vector<Batch> batches;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t count = tensors[i].matrices.count();
    const bool joins = !batches.empty() && shapeOf(tensors[i - 1]) == shapeOf(tensors[i]) &&
                       batches.back().floats + count <= kBatchFloats;
    if (!joins) batches.push_back({i, i, 0});
    batches.back().last = i + 1;
    batches.back().floats += count;
  }
  return batches;
}

NewtonSchulz iterationOf(Device& device, const MuonStep& step,
                         const std::vector<MuonTensor>& tensors, const Batch& batch) {
  std::vector<NewtonSchulzMatrices> groups;
  for (size_t i = batch.first; i < batch.last; ++i) groups.push_back(tensors[i].matrices);
  return NewtonSchulz(device, step.newtonSchulz, std::move(groups));
}

/// The average of gradients of each variable, and its direction in `directions`.
void momentum(Device& device, const MuonStep& step, const MuonTensor& tensor, float* direction) {
  MuonMomentum pass;
  pass.count = tensor.matrices.count();
  pass.momentum = static_cast<float>(step.momentum);
  pass.oneMinusMomentum = static_cast<float>(1 - step.momentum);
  pass.nesterov = step.nesterov;
  pass.gradient = tensor.gradient;
  pass.average = tensor.average;
  pass.direction = direction;
  device.muonMomentum(pass);
}

}  // namespace

Status muonStep(Device& device, const MuonStep& step, std::vector<MuonTensor> tensors) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const MuonTensor& a, const MuonTensor& b) {
    return shapeOf(a) < shapeOf(b);
  });
  const std::vector<Batch> batches = batchesOf(tensors);
  int64_t floats = 0;
  for (const Batch& batch : batches) {
    const int64_t needed = Workspace::aligned(batch.floats) +
                           iterationOf(device, step, tensors, batch).forwardFloats();
    floats = std::max(floats, needed);
  }
  Workspace workspace(device, floats);
  if (workspace.isNull()) {
    return Status(Code::kOutOfMemory, "Expected room for Muon's workspace of " +
                                          std::to_string(floats * int64_t{sizeof(float)}) +
                                          " bytes but got none");
  }
  float* const directions = workspace.take(0);
  for (const Batch& batch : batches) {
    float* direction = directions;
    for (size_t i = batch.first; i < batch.last; ++i) {
      momentum(device, step, tensors[i], direction);
      direction += tensors[i].matrices.count();
    }
    iterationOf(device, step, tensors, batch)
        .forward(directions, directions, directions + Workspace::aligned(batch.floats));
    direction = directions;
    for (size_t i = batch.first; i < batch.last; ++i) {
      const MuonTensor& tensor = tensors[i];
      const int64_t count = tensor.matrices.count();
      device.axpby(count, -step.learningRate * tensor.scale, direction, step.kept, tensor.variable);
      direction += count;
    }
  }
  return device.synchronize();
}

}  // namespace fastweight
