// Entry of the addon: one environment per JavaScript thread, and what holds for the whole process.
#include <napi.h>

#include <string>

#include "binding/environment.h"
#include "cpu/cpu_features.h"

namespace fastweight::binding {
namespace {

void throwError(Napi::Env env, const char* code, const std::string& message) {
  Environment& environment = Environment::of(env);
  if (environment.errorClass.IsEmpty()) {
    throw Napi::Error::New(env, std::string(code) + ": " + message);
  }
  const Napi::Object error =
      environment.errorClass.New({Napi::String::New(env, code), Napi::String::New(env, message)});
  throw Napi::Error(env, error);
}

void initialize(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsFunction()) {
    throw Napi::TypeError::New(info.Env(), "Expected an error class for initialize");
  }
  Environment::of(info.Env()).errorClass = Napi::Persistent(info[0].As<Napi::Function>());
  check(info.Env(), cpu::environmentIsaStatus());
}

}  // namespace

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

void check(Napi::Env env, const Status& status) {
  if (!status.isOk()) throwError(env, codeName(status.code()), status.message());
}

double numberArgument(const Napi::CallbackInfo& info, size_t index) {
  if (index >= info.Length() || !info[index].IsNumber()) {
    check(info.Env(), Status::expected(Code::kArgument, "a number",
                                       "argument " + std::to_string(index), "something else"));
  }
  return info[index].As<Napi::Number>().DoubleValue();
}

int64_t integerArgument(const Napi::CallbackInfo& info, size_t index) {
  const double number = numberArgument(info, index);
  if (!(number >= -9007199254740991.0 && number <= 9007199254740991.0)) {
    check(info.Env(),
          Status::expected(Code::kArgument, "an integer", "argument " + std::to_string(index),
                           std::to_string(number)));
  }
  return static_cast<int64_t>(number);
}

bool booleanArgument(const Napi::CallbackInfo& info, size_t index) {
  if (index >= info.Length() || !info[index].IsBoolean()) {
    check(info.Env(), Status::expected(Code::kArgument, "a boolean",
                                       "argument " + std::to_string(index), "something else"));
  }
  return info[index].As<Napi::Boolean>().Value();
}

const void* inputArgument(const Napi::CallbackInfo& info, size_t index, size_t bytes) {
  const void* memory = nullptr;
  check(info.Env(), Session::of(info).tensors->read(integerArgument(info, index), bytes, &memory));
  return memory;
}

StoredFloats storedArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  StoredFloats values;
  check(info.Env(),
        Session::of(info).tensors->stored(integerArgument(info, index), count, &values));
  return values;
}

StoredResult storedResultArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  StoredResult values;
  check(info.Env(),
        Session::of(info).tensors->storedResult(integerArgument(info, index), count, &values));
  return values;
}

StoredFloats operandArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  if (Session::of(info).device->productsReadBfloat16()) return storedArgument(info, index, count);
  return floatsArgument(info, index, count);
}

void* outputArgument(const Napi::CallbackInfo& info, size_t index, size_t bytes) {
  void* memory = nullptr;
  check(info.Env(), Session::of(info).tensors->write(integerArgument(info, index), bytes, &memory));
  return memory;
}

const float* optionalFloatsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  return numberArgument(info, index) == 0 ? nullptr : floatsArgument(info, index, count);
}

float* optionalOutputArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  return numberArgument(info, index) == 0 ? nullptr : outputFloatsArgument(info, index, count);
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment());
  exports.Set("initialize", Napi::Function::New(env, initialize, "initialize"));
  registerCpu(env, exports);
  registerDevices(env, exports);
  return exports;
}

}  // namespace fastweight::binding

static Napi::Object startAddon(Napi::Env env, Napi::Object exports) {
  return fastweight::binding::start(env, exports);
}

NODE_API_MODULE(fastweight, startAddon)
