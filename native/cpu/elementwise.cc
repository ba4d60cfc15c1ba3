#include <cstring>

#include "cpu/cpu_device.h"
#include "cpu/elementwise_loops.h"
#include "cpu/strided_walk.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

/// Elements for which waking another thread pays.
constexpr int64_t kGrain = 32768;

int bytesOf(ElementType type) { return type == ElementType::kBool ? 1 : 4; }

const void* offset(const void* data, int64_t bytes) {
  return static_cast<const uint8_t*>(data) + bytes;
}
void* offset(void* data, int64_t bytes) { return static_cast<uint8_t*>(data) + bytes; }

template <typename From, typename To, typename Convert>
void convert(int64_t count, const void* from, void* to, Convert&& of) {
  const From* x = static_cast<const From*>(from);
  To* y = static_cast<To*>(to);
  parallelFor(count, kGrain, [=, &of](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = of(x[i]);
  });
}

template <typename From>
void castFrom(ElementType to, int64_t count, const void* x, void* y) {
  switch (to) {
    case ElementType::kFloat32:
      return convert<From, float>(count, x, y, [](From v) { return static_cast<float>(v); });
    case ElementType::kInt32:
      return convert<From, int32_t>(count, x, y, [](From v) {
        if constexpr (std::is_same_v<From, float>) return toInt32(v);
        return static_cast<int32_t>(v);
      });
    case ElementType::kBool:
      return convert<From, uint8_t>(count, x, y, [](From v) { return v != 0 ? 1 : 0; });
  }
}

template <typename T, typename Value>
void generate(int64_t count, void* out, Value&& value) {
  T* y = static_cast<T*>(out);
  parallelFor(count, kGrain, [=, &value](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = static_cast<T>(value(i));
  });
}

template <typename Value>
void generate(ElementType type, int64_t count, void* out, Value&& value) {
  switch (type) {
    case ElementType::kFloat32:
      return generate<float>(count, out, value);
    case ElementType::kInt32:
      return generate<int32_t>(count, out, value);
    case ElementType::kBool:
      return generate<uint8_t>(count, out, value);
  }
}

template <typename T>
void selectValues(int64_t count, const uint8_t* condition, const void* aData, const void* bData,
                  void* yData) {
  const T* a = static_cast<const T*>(aData);
  const T* b = static_cast<const T*>(bData);
  T* y = static_cast<T*>(yData);
  parallelFor(count, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = condition[i] ? a[i] : b[i];
  });
}

}  // namespace

void CpuDevice::unary(UnaryOp op, int64_t count, float p, float q, const float* x, float* y) {
  const auto loop = elementwiseLoops().unary[static_cast<int>(op)];
  parallelFor(count, kGrain,
              [=](int64_t begin, int64_t end) { loop(end - begin, p, q, x + begin, y + begin); });
}

void CpuDevice::predicate(PredicateOp op, int64_t count, const float* x, uint8_t* y) {
  const auto loop = elementwiseLoops().predicate[static_cast<int>(op)];
  parallelFor(count, kGrain,
              [=](int64_t begin, int64_t end) { loop(end - begin, x + begin, y + begin); });
}

bool CpuDevice::binary(BinaryOp op, ElementType type, const StridedPair& given, const void* a,
                       const void* b, void* y) {
  const auto loop = elementwiseLoops().binary[static_cast<int>(type)][static_cast<int>(op)];
  if (loop == nullptr) return false;
  const int inBytes = bytesOf(type);
  const int outBytes = givesBool(op) ? 1 : inBytes;
  const StridedPair layout = merged(given);
  const int last = layout.rank - 1;
  const int64_t inner = layout.sizes[last];
  const int64_t aStep = layout.firstStrides[last], bStep = layout.secondStrides[last];
  if (layout.rank == 1) {
    parallelFor(inner, kGrain, [=](int64_t begin, int64_t end) {
      loop(end - begin, aStep, bStep, offset(a, begin * aStep * inBytes),
           offset(b, begin * bStep * inBytes), offset(y, begin * outBytes));
    });
    return true;
  }
  const int64_t grain = inner < kGrain ? kGrain / (inner > 0 ? inner : 1) : 1;
  parallelFor(countOf(layout, last), grain, [&](int64_t begin, int64_t end) {
    StridedWalk walk(layout, last, begin);
    for (int64_t row = begin; row < end; ++row, walk.next()) {
      loop(inner, aStep, bStep, offset(a, walk.first * inBytes), offset(b, walk.second * inBytes),
           offset(y, row * inner * outBytes));
    }
  });
  return true;
}

void CpuDevice::select(int elementBytes, int64_t count, const uint8_t* condition, const void* a,
                       const void* b, void* y) {
  if (elementBytes == 1) {
    selectValues<uint8_t>(count, condition, a, b, y);
  } else {
    selectValues<uint32_t>(count, condition, a, b, y);
  }
}

void CpuDevice::cast(ElementType from, ElementType to, int64_t count, const void* x, void* y) {
  switch (from) {
    case ElementType::kFloat32:
      return castFrom<float>(to, count, x, y);
    case ElementType::kInt32:
      return castFrom<int32_t>(to, count, x, y);
    case ElementType::kBool:
      return castFrom<uint8_t>(to, count, x, y);
  }
}

void CpuDevice::fill(ElementType type, int64_t count, double value, void* y) {
  if (value == 0) {
    const int bytes = bytesOf(type);
    parallelFor(count, kGrain, [=](int64_t begin, int64_t end) {
      std::memset(offset(y, begin * bytes), 0, static_cast<size_t>((end - begin) * bytes));
    });
    return;
  }
  generate(type, count, y, [=](int64_t) { return value; });
}

void CpuDevice::range(ElementType type, int64_t count, double start, double step, void* y) {
  generate(type, count, y, [=](int64_t i) { return start + static_cast<double>(i) * step; });
}

void CpuDevice::oneHot(ElementType type, int64_t count, int64_t depth, double on, double off,
                       const int32_t* indices, void* y) {
  generate(type, count * depth, y,
           [=](int64_t i) { return indices[i / depth] == i % depth ? on : off; });
}

}  // namespace fastweight::cpu
