// Our own products of warpgroups. Operands are small whole numbers, so that every sum is exact and
// results have to be equal, bit for bit; shapes leave pieces of tiles over, and need more tiles
// than there are blocks.
#include "cuda/tile_products.h"

#include <cmath>
#include <string>
#include <vector>

#include "cuda/device_memory.h"
#include "cuda/product_check.h"
#include "cuda/stream.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "cuda_tests.h"
#include "fastweight/scalar_functions.h"

namespace fastweight::test {
namespace {

using cuda::Element;
using cuda::Operand;

/// Whole numbers from -3 to 3.
std::vector<float> wholeNumbers(uint64_t seed, int64_t count) {
  std::vector<float> values = Random(seed).floats(count);
  for (float& value : values) value = std::round(3 * std::tanh(value));
  return values;
}

float fromBits(Element element, uint16_t bits) {
  if (element == Element::kBfloat16) return __bfloat162float({bits});
  __half half;
  std::memcpy(&half, &bits, sizeof half);
  return __half2float(half);
}

uint16_t toBits(Element element, float value) {
  if (element == Element::kBfloat16) return __float2bfloat16_rn(value).bits;
  const __half half = __float2half_rn(value);
  uint16_t bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}

/// Matrices in 16 bits, rows padded to 16 bytes; what is between them is not a number.
struct Reduced {
  Element element = Element::kBfloat16;
  int64_t batch, rows, columns;
  std::vector<uint16_t> bits;

  int64_t leading() const { return (columns + 7) / 8 * 8; }
  static Reduced of(Element element, int64_t batch, int64_t rows, int64_t columns,
                    const std::vector<float>& values) {
    Reduced r = {element, batch, rows, columns, {}};
    r.bits.assign(static_cast<size_t>(batch * rows * r.leading()), 0x7fff);
    for (int64_t i = 0; i < batch * rows && !values.empty(); ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        r.bits[static_cast<size_t>(i * r.leading() + j)] =
            toBits(element, values[static_cast<size_t>(i * columns + j)]);
      }
    }
    return r;
  }
  float at(int64_t b, int64_t i, int64_t j) const {
    return fromBits(element, bits[static_cast<size_t>((b * rows + i) * leading() + j)]);
  }
};

/// Host memory is the emulated GPU's; operands need its alignment.
class Bench {
 public:
  Bench() : stream_(0), memory_(stream_), products(stream_) {}
  ~Bench() {
    for (const auto& [memory, bytes] : taken_) memory_.release(memory, bytes);
  }
  Operand copyOf(const Reduced& matrices) {
    void* to = take(matrices.bits.size() * 2);
    std::memcpy(to, matrices.bits.data(), matrices.bits.size() * 2);
    return {to, matrices.leading(), matrices.rows * matrices.leading()};
  }
  float* copyOf(const std::vector<float>& values) {
    float* to = static_cast<float*>(take(values.size() * sizeof(float)));
    std::copy(values.begin(), values.end(), to);
    return to;
  }
  static Reduced read(const Operand& from, Reduced like) {
    std::memcpy(like.bits.data(), from.data, like.bits.size() * 2);
    return like;
  }
  Status status() { return stream_.takeFailure(); }

 private:
  void* take(size_t bytes) {
    taken_.push_back({memory_.allocate(bytes), bytes});
    return taken_.back().first;
  }

  cuda::Stream stream_;
  cuda::DeviceMemory memory_;
  std::vector<std::pair<void*, size_t>> taken_;

 public:
  cuda::TileProducts products;
};

/// Runs body in both orders of the emulated threads.
template <typename Body>
void inBothOrders(const std::string& name, const Body& body) {
  for (const bool reversed : {false, true}) {
    cuda_emulation::setReversedThreads(reversed);
    body(name + (reversed ? ", reversed" : ""));
    cuda_emulation::setReversedThreads(false);
  }
}

void testWeights(int64_t batch, int64_t rows, int64_t columns, int64_t depth) {
  const std::string name = "product of tokens " + std::to_string(batch) + " x [" +
                           std::to_string(rows) + ", " + std::to_string(columns) + "] over " +
                           std::to_string(depth);
  inBothOrders(name, [&](const std::string& what) {
    Bench bench;
    const int64_t otherRows = columns / 2 + 1, otherColumns = rows;
    const auto reduced = [&](uint64_t seed, int64_t width) {
      return Reduced::of(Element::kBfloat16, batch, depth, width,
                         wholeNumbers(seed, batch * depth * width));
    };
    const Reduced a = reduced(1, rows), b = reduced(2, columns);
    const Reduced otherA = reduced(3, otherRows), otherB = reduced(4, otherColumns);
    std::vector<float> betas(static_cast<size_t>(batch));
    for (int64_t i = 0; i < batch; ++i) betas[static_cast<size_t>(i)] = static_cast<float>(i) - 1;
    const std::vector<float> before = wholeNumbers(5, batch * rows * columns);
    cuda::WeightProduct products[2];
    products[0].pair = {bench.copyOf(a), bench.copyOf(b), depth};
    products[0].batch = batch, products[0].rows = rows, products[0].columns = columns;
    products[0].alpha = 0.5f;
    products[0].betas = bench.copyOf(betas);
    products[0].result = packed(bench.copyOf(before), rows, columns);
    products[0].addend = products[0].result;
    // What the addend of a beta of 0 holds must not matter.
    const std::vector<float> nothing(static_cast<size_t>(batch * otherRows * otherColumns), NAN);
    products[1].pair = {bench.copyOf(otherA), bench.copyOf(otherB), depth};
    products[1].batch = batch, products[1].rows = otherRows, products[1].columns = otherColumns;
    products[1].result = packed(bench.copyOf(nothing), otherRows, otherColumns);
    products[1].addend = products[1].result;
    bench.products.multiplyWeights(2, products);
    expect(bench.status().isOk(), what);
    int64_t wrong = 0;
    for (int64_t m = 0; m < batch; ++m) {
      const auto check = [&](const Reduced& left, const Reduced& right, float alpha,
                             const Matrices& result, int64_t height, int64_t width, bool adds) {
        for (int64_t i = 0; i < height; ++i) {
          for (int64_t j = 0; j < width; ++j) {
            float sum = 0;
            for (int64_t k = 0; k < depth; ++k) sum += left.at(m, k, i) * right.at(m, k, j);
            sum *= alpha;
            const float scale = adds ? betas[static_cast<size_t>(m)] : 0;
            if (scale != 0) {
              sum += scale * before[static_cast<size_t>((m * height + i) * width + j)];
            }
            wrong += result.data[m * result.stride + i * result.leading + j] != sum;
          }
        }
      };
      check(a, b, 0.5f, products[0].result, rows, columns, true);
      check(otherA, otherB, 1, products[1].result, otherRows, otherColumns, false);
    }
    expect(wrong == 0, what, std::to_string(wrong) + " entries differ");
  });
}

void testSymmetric(Element element, int64_t batch, int64_t n, int64_t depth, bool symmetrise) {
  const std::string name = std::string(symmetrise ? "symmetrised" : "symmetric") + " product of " +
                           std::to_string(batch) + " x [" + std::to_string(n) + ", " +
                           std::to_string(depth) + "] in " +
                           (element == Element::kFloat16 ? "float16" : "bfloat16");
  inBothOrders(name, [&](const std::string& what) {
    Bench bench;
    const Reduced a = Reduced::of(element, batch, n, depth, wholeNumbers(1, batch * n * depth));
    const Reduced b =
        symmetrise ? Reduced::of(element, batch, n, depth, wholeNumbers(2, batch * n * depth)) : a;
    std::vector<float> addend = wholeNumbers(3, batch * n * n);
    for (int64_t m = 0; m < batch; ++m) {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < i; ++j) {
          addend[static_cast<size_t>((m * n + j) * n + i)] =
              addend[static_cast<size_t>((m * n + i) * n + j)];
        }
      }
    }
    const Reduced nothing = Reduced::of(element, batch, n, n, {});
    cuda::ReducedSymmetricProduct p;
    p.element = element;
    p.batch = batch, p.n = n;
    p.alpha = 0.5f, p.beta = -2, p.diagonal = 1.5f;
    const Operand left = bench.copyOf(a), right = bench.copyOf(b);
    p.pairs[0] = {left, right, depth};
    p.pairs[1] = {right, left, depth};
    p.pairCount = symmetrise ? 2 : 1;
    // The addend in one of its forms, and results in both.
    if (symmetrise) {
      p.addend = packed(static_cast<const float*>(bench.copyOf(addend)), n, n);
    } else {
      p.reducedAddend = bench.copyOf(Reduced::of(element, batch, n, n, addend));
    }
    p.result =
        packed(bench.copyOf(std::vector<float>(static_cast<size_t>(batch * n * n), NAN)), n, n);
    p.reducedResult = bench.copyOf(nothing);
    bench.products.multiplySymmetric(p);
    expect(bench.status().isOk(), what);
    const Reduced reduced = Bench::read(p.reducedResult, nothing);
    int64_t wrong = 0, wrongReduced = 0;
    for (int64_t m = 0; m < batch; ++m) {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          float sum = 0;
          for (int64_t k = 0; k < depth; ++k) {
            sum += a.at(m, i, k) * b.at(m, j, k);
            if (symmetrise) sum += b.at(m, i, k) * a.at(m, j, k);
          }
          const float expected = 0.5f * sum - 2 * addend[static_cast<size_t>((m * n + i) * n + j)] +
                                 (i == j ? 1.5f : 0.0f);
          wrong += p.result.data[(m * n + i) * n + j] != expected;
          wrongReduced += reduced.at(m, i, j) != fromBits(element, toBits(element, expected));
        }
      }
    }
    expect(wrong == 0, what, std::to_string(wrong) + " entries differ");
    expect(wrongReduced == 0, what, std::to_string(wrongReduced) + " reduced entries differ");
  });
}

bool isClose(float actual, float expected) {
  return std::fabs(actual - expected) <= 0.01f * std::fabs(expected) + 1e-6f;
}

void testHidden(int64_t batch, int64_t tokens, int64_t hiddenDim, int64_t depth, bool shared) {
  const std::string name = "hidden layer of " + std::to_string(batch) + " x [" +
                           std::to_string(tokens) + ", " + std::to_string(hiddenDim) + "] over " +
                           std::to_string(depth);
  inBothOrders(name, [&](const std::string& what) {
    Bench bench;
    const auto reduced = [&](uint64_t seed, int64_t rows, int64_t columns) {
      std::vector<float> values = wholeNumbers(seed, batch * rows * columns);
      for (float& value : values) value *= 0.125f;
      return Reduced::of(Element::kBfloat16, batch, rows, columns, values);
    };
    const Reduced x = reduced(1, tokens, depth), w = reduced(2, 2 * hiddenDim, depth);
    const Reduced dh = reduced(3, tokens, hiddenDim);
    const Reduced hiddenLike = Reduced::of(Element::kBfloat16, batch, tokens, hiddenDim, {});
    const Reduced gateUpLike = Reduced::of(Element::kBfloat16, batch, tokens, 2 * hiddenDim, {});
    const std::vector<float> rates = Random(4).floats(batch * tokens * 3);
    cuda::GateUpProduct product;
    product.pair = {bench.copyOf(x), bench.copyOf(w), depth};
    if (shared) product.pair.b.stride = 0;
    product.batch = batch, product.tokens = tokens, product.hiddenDim = hiddenDim;
    const Operand hidden = bench.copyOf(hiddenLike), scaledHidden = bench.copyOf(hiddenLike);
    const Operand scaledGateUp = bench.copyOf(gateUpLike);
    const Matrices gateUp = packed(
        bench.copyOf(std::vector<float>(static_cast<size_t>(batch * tokens * 2 * hiddenDim), NAN)),
        tokens, 2 * hiddenDim);
    bench.products.swiglu(product, hidden, gateUp);
    bench.products.swigluGradient(product,
                                  packed(static_cast<const float*>(bench.copyOf(rates)), tokens, 3),
                                  bench.copyOf(dh), scaledGateUp, scaledHidden);
    expect(bench.status().isOk(), what);
    const Reduced gotHidden = Bench::read(hidden, hiddenLike);
    const Reduced gotScaled = Bench::read(scaledHidden, hiddenLike);
    const Reduced gotGateUp = Bench::read(scaledGateUp, gateUpLike);
    int64_t wrong = 0, wrongGateUp = 0, wrongGradient = 0;
    for (int64_t m = 0; m < batch; ++m) {
      const int64_t ofW = shared ? 0 : m;
      for (int64_t t = 0; t < tokens; ++t) {
        const float* rate = rates.data() + (m * tokens + t) * 3;
        for (int64_t j = 0; j < hiddenDim; ++j) {
          float g = 0, u = 0;
          for (int64_t k = 0; k < depth; ++k) {
            g += x.at(m, t, k) * w.at(ofW, j, k);
            u += x.at(m, t, k) * w.at(ofW, hiddenDim + j, k);
          }
          const float s = sigmoid(g), activation = g * s, d = dh.at(m, t, j);
          const float* row = gateUp.data + m * gateUp.stride + t * gateUp.leading;
          wrongGateUp += row[j] != g || row[hiddenDim + j] != u;
          wrong += !isClose(gotHidden.at(m, t, j), activation * u);
          wrongGradient +=
              !isClose(gotGateUp.at(m, t, j), rate[0] * d * u * siluDerivative(g, s)) ||
              !isClose(gotGateUp.at(m, t, hiddenDim + j), rate[2] * d * activation) ||
              !isClose(gotScaled.at(m, t, j), rate[1] * activation * u);
        }
      }
    }
    expect(wrongGateUp == 0, what, std::to_string(wrongGateUp) + " gates differ");
    expect(wrong == 0, what, std::to_string(wrong) + " entries differ");
    expect(wrongGradient == 0, what, std::to_string(wrongGradient) + " gradients differ");
  });
}

}  // namespace

void testTileProducts() {
  expect(Bench().products.areAvailable(), "the emulated GPU has products of warpgroups");
  const Status checked = cuda::checkTileProducts(0);
  expect(checked.isOk(), "the check of products before they are used", checked.message());
  testWeights(1, 24, 40, 16);
  testWeights(3, 133, 290, 100);
  testWeights(2, 300, 70, 520);
  for (const Element element : {Element::kBfloat16, Element::kFloat16}) {
    testSymmetric(element, 1, 8, 16, false);
    testSymmetric(element, 2, 301, 75, false);
    testSymmetric(element, 3, 136, 500, true);
  }
  testHidden(1, 5, 8, 16, false);
  testHidden(2, 200, 136, 90, false);
  testHidden(3, 131, 264, 72, true);
}

}  // namespace fastweight::test
