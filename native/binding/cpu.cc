// How the CPU device runs: its threads and its instruction set. Both hold for the whole process.
#include <napi.h>

#include <algorithm>
#include <cstdint>

#include "binding/environment.h"
#include "cpu/cpu_features.h"
#include "cpu/thread_pool.h"

namespace fastweight::binding {
namespace {

Napi::Value numThreads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), cpu::threadCount());
}

void setNumThreads(const Napi::CallbackInfo& info) {
  const int64_t count = integerArgument(info, 0);
  cpu::setThreadCount(static_cast<int>(std::clamp<int64_t>(count, 1, INT32_MAX)));
}

/// {inUse, available}: the instruction set that kernels run with, and all they could run with.
Napi::Value instructionSets(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  result.Set("inUse", Napi::String::New(env, cpu::isaName(cpu::currentIsa())));
  Napi::Array available = Napi::Array::New(env);
  for (const cpu::Isa isa : cpu::availableIsas()) {
    available.Set(available.Length(), Napi::String::New(env, cpu::isaName(isa)));
  }
  result.Set("available", available);
  return result;
}

}  // namespace

void registerCpu(Napi::Env env, Napi::Object exports) {
  exports.Set("numThreads", Napi::Function::New(env, numThreads, "numThreads"));
  exports.Set("setNumThreads", Napi::Function::New(env, setNumThreads, "setNumThreads"));
  exports.Set("instructionSets", Napi::Function::New(env, instructionSets, "instructionSets"));
}

}  // namespace fastweight::binding
