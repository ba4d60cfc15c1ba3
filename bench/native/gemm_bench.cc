// GFLOP/s of the GEMM and the symmetric product on the CPU, optionally beside a BLAS.
//   fastweight_gemm_bench [--blas PATH] [--filter TEXT] [--repeats N]
// PATH is a shared library with cblas_sgemm (OpenBLAS, MKL's libmkl_rt). Both run interleaved in
// one process; the ratio is the median of the ratios of neighbouring runs. With one thread
// (FASTWEIGHT_NUM_THREADS=1, and the BLAS's own variable) time is that thread's CPU time, which
// other work on the machine disturbs little.
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "cpu/cpu_features.h"
#include "cpu/thread_pool.h"
#include "fastweight/device.h"

namespace {

using fastweight::Device;
using fastweight::Gemm;
using fastweight::SymmetricProduct;

struct Shape {
  const char* name;
  int64_t batch, m, n, k;
  bool transposeA, transposeB;
};

const Shape kShapes[] = {
    {"256^3", 1, 256, 256, 256, false, false},
    {"512^3", 1, 512, 512, 512, false, false},
    {"1024^3", 1, 1024, 1024, 1024, false, false},
    {"2048^3", 1, 2048, 2048, 2048, false, false},
    {"1024^3 transposed a", 1, 1024, 1024, 1024, true, false},
    {"1024^3 transposed b", 1, 1024, 1024, 1024, false, true},
    {"gate and up, 1024 tokens, 768 x 1536", 1, 1024, 3072, 768, false, true},
    {"value back, 1024 tokens, 768 x 1536", 1, 1024, 1536, 768, false, false},
    {"weight gradient, 1024 tokens, 768 x 1536", 1, 3072, 768, 1024, true, false},
    {"2048 tokens, 512 x 512", 1, 2048, 512, 512, false, true},
    {"weight gradient, 2048 tokens, 512 x 512", 1, 512, 512, 2048, true, false},
    {"4 rows, 1024 tokens, 256 x 256", 4, 1024, 256, 256, false, true},
    {"weight gradient, 4 rows, 1024 tokens, 256 x 256", 4, 256, 256, 1024, true, false},
    {"Newton-Schulz, 768 x 1536, times x", 1, 768, 1536, 768, false, false},
    {"Newton-Schulz, 12 of 256 x 256", 12, 256, 256, 256, false, false},
    {"24 of 32^3", 24, 32, 32, 32, false, false},
    {"24 of 64^3, transposed b", 24, 64, 64, 64, false, true},
    {"vector, 1 x 1024 x 4096, transposed b", 1, 1, 4096, 1024, false, true},
    {"vector, 1 x 1024 x 4096", 1, 1, 4096, 1024, false, false},
    {"8 x 1024 x 4096, transposed b", 1, 8, 4096, 1024, false, true},
    {"8 x 1024 x 4096", 1, 8, 4096, 1024, false, false},
    {"4096 x 512 x 3", 1, 4096, 3, 512, false, false},
    {"attention scores, 8 of 512 x 512 x 64", 8, 512, 512, 64, false, true},
};

/// Half the flops of the full product are counted.
const Shape kSymmetricShapes[] = {
    {"symmetric, 768 x 1536", 1, 768, 768, 1536, false, true},
    {"symmetric, 768 x 768", 1, 768, 768, 768, false, true},
    {"symmetric, 12 of 256 x 256", 12, 256, 256, 256, false, true},
    {"symmetric, 512 x 512", 1, 512, 512, 512, false, true},
};

enum { kRowMajor = 101, kNoTranspose = 111, kTranspose = 112 };
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int,
                       float, float*, int);

double now() {
  timespec time;
  const bool alone = fastweight::cpu::threadCount() == 1;
  clock_gettime(alone ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Seconds of a run. A pause lets the other side's threads, which wait for work in a loop, give up
/// the cores; a first run wakes one's own.
double seconds(const std::function<void()>& run, int times) {
  if (fastweight::cpu::threadCount() > 1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
  run();
  const double start = now();
  for (int i = 0; i < times; ++i) run();
  return (now() - start) / times;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<float> randomFloats(int64_t count, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

struct Options {
  Sgemm sgemm = nullptr;
  std::string filter;
  int repeats = 15;
};

void measure(Device& device, const Shape& s, bool symmetric, const Options& options) {
  if (std::string(s.name).find(options.filter) == std::string::npos) return;
  const std::vector<float> a = randomFloats(s.batch * s.m * s.k, 1);
  const std::vector<float> b = symmetric ? a : randomFloats(s.batch * s.n * s.k, 2);
  std::vector<float> c(static_cast<size_t>(s.batch * s.m * s.n)), d = c;
  const int64_t aLeading = s.transposeA ? s.m : s.k, bLeading = s.transposeB ? s.k : s.n;
  Gemm gemm;
  gemm.batch = s.batch, gemm.m = s.m, gemm.n = s.n, gemm.k = s.k;
  gemm.transposeA = s.transposeA, gemm.transposeB = s.transposeB;
  gemm.a = {a.data(), aLeading, s.m * s.k};
  gemm.b = {b.data(), bLeading, s.n * s.k};
  gemm.c = {c.data(), s.n, s.m * s.n};
  SymmetricProduct product;
  product.batch = s.batch, product.n = s.n, product.k = s.k;
  product.a = gemm.a, product.b = gemm.b, product.c = gemm.c;
  const auto ours = [&] {
    if (symmetric) {
      device.symmetricProduct(product);
    } else {
      device.gemm(gemm);
    }
  };
  const auto theirs = [&] {
    for (int64_t i = 0; i < s.batch; ++i) {
      options.sgemm(kRowMajor, s.transposeA ? kTranspose : kNoTranspose,
                    s.transposeB ? kTranspose : kNoTranspose, static_cast<int>(s.m),
                    static_cast<int>(s.n), static_cast<int>(s.k), 1, a.data() + i * s.m * s.k,
                    static_cast<int>(aLeading), b.data() + i * s.n * s.k,
                    static_cast<int>(bLeading), 0, d.data() + i * s.m * s.n, static_cast<int>(s.n));
    }
  };
  const double flops =
      (symmetric ? 1.0 : 2.0) * static_cast<double>(s.batch * s.m * s.n) * static_cast<double>(s.k);
  const int times = std::max(1, static_cast<int>(2e-3 / (flops / 150e9)));
  seconds(ours, times);
  if (options.sgemm != nullptr) seconds(theirs, times);
  std::vector<double> mine, rival, ratios;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    mine.push_back(seconds(ours, times));
    if (options.sgemm == nullptr) continue;
    rival.push_back(seconds(theirs, times));
    ratios.push_back(rival.back() / mine.back());
  }
  std::printf("%-50s %8.1f us %7.1f GFLOP/s (best %6.1f)", s.name, 1e6 * median(mine),
              flops / median(mine) / 1e9,
              flops / *std::min_element(mine.begin(), mine.end()) / 1e9);
  if (options.sgemm != nullptr) {
    float worst = 0;
    for (size_t i = 0; i < c.size(); ++i) worst = std::max(worst, std::fabs(c[i] - d[i]));
    std::printf("  BLAS %7.1f (best %6.1f)  ratio %.3f%s", flops / median(rival) / 1e9,
                flops / *std::min_element(rival.begin(), rival.end()) / 1e9, median(ratios),
                worst < 1e-3f * static_cast<float>(s.k) ? "" : "  RESULTS DIFFER");
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--filter") == 0) options.filter = argv[i + 1];
    if (std::strcmp(argv[i], "--repeats") == 0)
      options.repeats = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--blas") == 0) {
      void* library = dlopen(argv[i + 1], RTLD_NOW);
      if (library == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
      }
      options.sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
    }
  }
  const auto device = fastweight::createCpuDevice();
  const fastweight::Status isa = fastweight::cpu::environmentIsaStatus();
  if (!isa.isOk()) std::fprintf(stderr, "%s\n", isa.message().c_str());
  std::printf("%s, %d threads\n", fastweight::cpu::isaName(fastweight::cpu::currentIsa()),
              fastweight::cpu::threadCount());
  for (const Shape& shape : kShapes) measure(*device, shape, false, options);
  for (const Shape& shape : kSymmetricShapes) measure(*device, shape, true, options);
  return 0;
}
