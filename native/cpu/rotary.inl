// Rotary position embedding from tables of cosines and sines.
#pragma once

#include "cpu/lanes.h"
#include "cpu/sequence_functions.h"

namespace fastweight::cpu::FASTWEIGHT_ISA {

static void rotary(const Rotary& r, const float* cosines, const float* sines, int64_t begin,
                   int64_t end) {
  const int64_t half = r.headDim / 2;
  const float sign = r.inverse ? -1.0f : 1.0f;
  const int64_t step = r.interleaved ? 2 : 1;
  const int64_t partner = r.interleaved ? 1 : half;
  for (int64_t item = begin; item < end; ++item) {
    const float* cosine = cosines + item % r.tokens * half;
    const float* sine = sines + item % r.tokens * half;
    for (int64_t head = 0; head < r.heads; ++head) {
      const float* x = r.x.floats() + (item * r.heads + head) * r.headDim;
      float* y = r.y + (item * r.heads + head) * r.headDim;
      const auto turn = [=](int64_t i, int64_t stepOfPair) {
        const float first = x[i * stepOfPair], second = x[i * stepOfPair + partner];
        const float s = sign * sine[i];
        y[i * stepOfPair] = first * cosine[i] - second * s;
        y[i * stepOfPair + partner] = second * cosine[i] + first * s;
      };
      if (step == 1) {
        for (int64_t i = 0; i < half; ++i) turn(i, 1);
      } else {
        for (int64_t i = 0; i < half; ++i) turn(i, 2);
      }
    }
  }
}

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
