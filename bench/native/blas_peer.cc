// A BLAS as a contender of the benchmark:
//   fastweight_blas_peer LIBRARY batch m n k transposeA transposeB INPUTS RESULTS
// LIBRARY has cblas_sgemm (OpenBLAS, MKL's libmkl_rt); INPUTS holds the floats of a and then of b,
// RESULTS will hold those of c. Then, as bench/task.ts has it, each line of stdin that asks to
// "run" is answered with seconds, each other one with resident bytes.
#include <dlfcn.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

enum { kRowMajor = 101, kNoTranspose = 111, kTranspose = 112 };
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int,
                       float, float*, int);

constexpr double kLeastSeconds = 0.05;  // of one measurement, as Benchmark.js has it

struct Product {
  int64_t batch, m, n, k;
  bool transposeA, transposeB;
  std::vector<float> a, b, c;

  void run(Sgemm sgemm) {
    for (int64_t i = 0; i < batch; ++i) {
      sgemm(kRowMajor, transposeA ? kTranspose : kNoTranspose,
            transposeB ? kTranspose : kNoTranspose, static_cast<int>(m), static_cast<int>(n),
            static_cast<int>(k), 1, a.data() + i * m * k, static_cast<int>(transposeA ? m : k),
            b.data() + i * k * n, static_cast<int>(transposeB ? k : n), 0, c.data() + i * m * n,
            static_cast<int>(n));
    }
  }
};

bool readFloats(const char* path, std::vector<float>* a, std::vector<float>* b) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return false;
  const bool whole = std::fread(a->data(), sizeof(float), a->size(), file) == a->size() &&
                     std::fread(b->data(), sizeof(float), b->size(), file) == b->size();
  std::fclose(file);
  return whole;
}

bool writeFloats(const char* path, const std::vector<float>& values) {
  std::FILE* file = std::fopen(path, "wb");
  if (file == nullptr) return false;
  const bool whole =
      std::fwrite(values.data(), sizeof(float), values.size(), file) == values.size();
  return std::fclose(file) == 0 && whole;
}

double seconds(Product& product, Sgemm sgemm) {
  static int count = 1;
  for (;;) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) product.run(sgemm);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (elapsed.count() >= kLeastSeconds) return elapsed.count() / count;
    count =
        static_cast<int>(std::ceil(count * std::fmax(1.5, 1.2 * kLeastSeconds / elapsed.count())));
  }
}

/// A line of /proc/self/status in bytes; 0 where there is none.
long long statusBytes(const std::string& name) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  long long kilobytes = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, name.c_str(), name.size()) != 0) continue;
    kilobytes = std::atoll(line + name.size() + 1);
  }
  std::fclose(file);
  return 1024 * kilobytes;
}

int fail(const char* reason) {
  std::fprintf(stderr, "%s\n", reason);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) return fail("Expected a library, six sizes and two files");
  void* library = dlopen(argv[1], RTLD_NOW);
  if (library == nullptr) return fail(dlerror());
  const auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  if (sgemm == nullptr) return fail("Expected a library with cblas_sgemm");
  Product p{std::atoll(argv[2]),
            std::atoll(argv[3]),
            std::atoll(argv[4]),
            std::atoll(argv[5]),
            std::atoi(argv[6]) != 0,
            std::atoi(argv[7]) != 0,
            {},
            {},
            {}};
  p.a.resize(static_cast<size_t>(p.batch * p.m * p.k));
  p.b.resize(static_cast<size_t>(p.batch * p.k * p.n));
  if (!readFloats(argv[8], &p.a, &p.b)) return fail("Expected a file with a and b");
  const long long baseline = statusBytes("VmRSS");
  p.c.resize(static_cast<size_t>(p.batch * p.m * p.n));
  p.run(sgemm);
  if (!writeFloats(argv[9], p.c)) return fail("Expected a file that can be written");
  char line[4096];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    if (std::strstr(line, "\"prepare\"") != nullptr) {
      std::printf("@bench {\"prepared\":true}\n");
    } else if (std::strstr(line, "\"run\"") != nullptr) {
      std::printf("@bench {\"seconds\":%.9g}\n", seconds(p, sgemm));
    } else {
      std::printf("@bench {\"baselineBytes\":%lld,\"peakBytes\":%lld}\n", baseline,
                  statusBytes("VmHWM"));
    }
    std::fflush(stdout);
  }
  return 0;
}
