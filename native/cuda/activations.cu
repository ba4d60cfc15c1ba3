// Activations, alone or as the gate of a product.
#include "cuda/cuda_device.h"
#include "cuda/stored.cuh"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {
namespace {

struct Silu {
  static __device__ float of(float x) { return silu(x); }
  static __device__ float derivative(float x) { return siluDerivative(x, sigmoid(x)); }
};
struct Softplus {
  static __device__ float of(float x) { return softplus(x); }
  static __device__ float derivative(float x) { return sigmoid(x); }
};
struct Gelu {
  static __device__ float of(float x) { return gelu(x); }
  static __device__ float derivative(float x) { return geluDerivative(x); }
};
struct GeluTanh {
  static __device__ float of(float x) { return geluTanh(x); }
  static __device__ float derivative(float x) { return geluTanhDerivative(x); }
};

template <typename Function>
struct ActivateBody {
  Activate a;

  template <int width>
  __device__ void at(int64_t i) const {
    Pack<float, width> values = loadFloats<width>(a.x, i);
    for (float& value : values.value) value = Function::of(value + a.offset);
    if (a.up.data != nullptr) {
      const Pack<float, width> up = loadFloats<width>(a.up, i);
      for (int k = 0; k < width; ++k) values.value[k] *= up.value[k];
    }
    store(a.y, i, values);
  }
};

template <typename Function>
struct ActivateBackwardBody {
  ActivateBackward a;

  template <int width>
  __device__ void at(int64_t i) const {
    const Pack<float, width> x = loadFloats<width>(a.x, i);
    Pack<float, width> dx = load<width>(a.yCotangent + i);
    if (a.up.data != nullptr) {
      const Pack<float, width> up = loadFloats<width>(a.up, i);
      Pack<float, width> dUp;
      for (int k = 0; k < width; ++k) {
        dUp.value[k] = dx.value[k] * Function::of(x.value[k] + a.offset);
        dx.value[k] *= up.value[k];
      }
      store(a.upCotangent + i, dUp);
    }
    for (int k = 0; k < width; ++k) dx.value[k] *= Function::derivative(x.value[k] + a.offset);
    store(a.xCotangent + i, dx);
  }
};

/// run(Function()) for the activation's function.
template <typename Run>
void withFunction(Activation activation, Run run) {
  switch (activation) {
    case Activation::kSilu:
      return run(Silu());
    case Activation::kSoftplus:
      return run(Softplus());
    case Activation::kGelu:
      return run(Gelu());
    case Activation::kGeluTanh:
      return run(GeluTanh());
  }
}

}  // namespace

void CudaDevice::activate(const Activate& a) {
  const bool packable = isPackable(a.x) && isPackable(a.up) && isPackable(a.y);
  withFunction(a.activation, [&](auto function) {
    forElements(stream_, "activation", a.count, packable, ActivateBody<decltype(function)>{a});
  });
}

void CudaDevice::activateBackward(const ActivateBackward& a) {
  const bool packable = isPackable(a.x) && isPackable(a.up) && isPackable(a.yCotangent) &&
                        isPackable(a.xCotangent) && isPackable(a.upCotangent);
  withFunction(a.activation, [&](auto function) {
    forElements(stream_, "activation's backward", a.count, packable,
                ActivateBackwardBody<decltype(function)>{a});
  });
}

}  // namespace fastweight::cuda
