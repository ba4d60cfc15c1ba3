#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {

void CpuDevice::gemm(const Gemm& g) {
  parallelFor(g.batch * g.m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / g.m, i = item % g.m;
      const float* a = g.a.data + b * g.a.stride;
      const float* x = g.b.data + b * g.b.stride;
      float* c = g.c.data + b * g.c.stride + i * g.c.leading;
      const float beta = g.betas != nullptr ? g.betas[b] : g.beta;
      for (int64_t j = 0; j < g.n; ++j) {
        float sum = 0;
        for (int64_t k = 0; k < g.k; ++k) {
          sum += (g.transposeA ? a[k * g.a.leading + i] : a[i * g.a.leading + k]) *
                 (g.transposeB ? x[j * g.b.leading + k] : x[k * g.b.leading + j]);
        }
        c[j] = g.alpha * sum + (beta == 0 ? 0 : beta * c[j]);
      }
    }
  });
}

void CpuDevice::symmetricProduct(const SymmetricProduct& s) {
  parallelFor(s.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const float* x = s.a.data + b * s.a.stride;
      const float* y = s.b.data + b * s.b.stride;
      for (int64_t i = 0; i < s.n; ++i) {
        for (int64_t j = 0; j <= i; ++j) {
          float sum = 0;
          for (int64_t k = 0; k < s.k; ++k) {
            const float product = x[i * s.a.leading + k] * y[j * s.b.leading + k];
            sum += s.symmetrise ? 0.5f * (product + x[j * s.a.leading + k] * y[i * s.b.leading + k])
                                : product;
          }
          float value = s.alpha * sum;
          if (s.addend.data != nullptr) {
            value += s.beta * s.addend.data[b * s.addend.stride + i * s.addend.leading + j];
          }
          s.c.data[b * s.c.stride + i * s.c.leading + j] = value;
          s.c.data[b * s.c.stride + j * s.c.leading + i] = value;
        }
      }
    }
  });
}

}  // namespace fastweight::cpu
