// Opening devices, and what each device gives besides its kernels.
#include <memory>
#include <string>
#include <utility>

#include "binding/device_libraries.h"
#include "binding/environment.h"

namespace fastweight::binding {
namespace {

std::string textArgument(const Napi::CallbackInfo& info, size_t index) {
  if (index >= info.Length() || !info[index].IsString()) {
    check(info.Env(), Status::expected(Code::kArgument, "a string",
                                       "argument " + std::to_string(index), "something else"));
  }
  return info[index].As<Napi::String>().Utf8Value();
}

Napi::Object functionsOf(Napi::Env env, std::unique_ptr<Device> device) {
  auto session = std::make_unique<Session>();
  session->device = std::move(device);
  session->tensors = std::make_unique<TensorTable>(*session->device);
  Functions functions(env, *session);
  Environment::of(env).sessions.push_back(std::move(session));
  registerDevice(functions);
  registerTensors(functions);
  registerTensorKernels(functions);
  registerSequenceKernels(functions);
  registerFastWeights(functions);
  registerOptimizerKernels(functions);
  registerRandomKernels(functions);
  registerConvolutionKernels(functions);
  return functions.object();
}

/// openCpuDevice() -> the functions of a new CPU device
Napi::Value openCpuDevice(const Napi::CallbackInfo& info) {
  return functionsOf(info.Env(), createCpuDevice());
}

/// openLibraryDevice(file, index) -> the functions of a new device on processor `index` of a
/// library
Napi::Value openLibraryDevice(const Napi::CallbackInfo& info) {
  const DeviceLibrary* library = nullptr;
  check(info.Env(), loadDeviceLibrary(textArgument(info, 0), &library));
  std::unique_ptr<Device> device;
  check(info.Env(), library->create(static_cast<int>(integerArgument(info, 1)), &device));
  return functionsOf(info.Env(), std::move(device));
}

/// checkDeviceProducts(file, index): throws what is wrong.
void checkDeviceProducts(const Napi::CallbackInfo& info) {
  const DeviceLibrary* library = nullptr;
  check(info.Env(), loadDeviceLibrary(textArgument(info, 0), &library));
  check(info.Env(), library->checkProducts(static_cast<int>(integerArgument(info, 1))));
}

/// describeDeviceLibrary(file) -> { processors, driver, runtime, matrixLibrary, reason }
Napi::Value describeDeviceLibrary(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const DeviceLibrary* library = nullptr;
  Machine machine;
  Status status = loadDeviceLibrary(textArgument(info, 0), &library);
  if (status.isOk()) status = library->describe(&machine);
  Napi::Array processors = Napi::Array::New(env);
  for (const Processor& processor : machine.processors) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", processor.name);
    entry.Set("computeCapability", processor.computeCapability);
    entry.Set("memoryBytes", static_cast<double>(processor.memoryBytes));
    entry.Set("multiprocessors", processor.multiprocessors);
    processors.Set(processors.Length(), entry);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("processors", processors);
  result.Set("driver", machine.driver);
  result.Set("runtime", machine.runtime);
  result.Set("matrixLibrary", machine.matrixLibrary);
  result.Set("reason", status.message());
  return result;
}

/// synchronize(): waits for what is queued. Throws its first failure.
void synchronize(const Napi::CallbackInfo& info) {
  check(info.Env(), Session::of(info).device->synchronize());
}

/// mark() -> a point in the device's queue, for millisecondsBetween()
Napi::Value mark(const Napi::CallbackInfo& info) {
  std::unique_ptr<Marker> marker = Session::of(info).device->mark();
  if (marker == nullptr) {
    check(info.Env(), Session::of(info).device->synchronize());
    check(info.Env(), Status(Code::kInternal, "Expected a device that can be timed"));
  }
  return Napi::External<Marker>::New(info.Env(), marker.release(),
                                     [](Napi::Env, Marker* marker) { delete marker; });
}

Marker& markerArgument(const Napi::CallbackInfo& info, size_t index) {
  if (index >= info.Length() || !info[index].IsExternal()) {
    check(info.Env(), Status::expected(Code::kArgument, "what mark() returned",
                                       "argument " + std::to_string(index), "something else"));
  }
  return *info[index].As<Napi::External<Marker>>().Data();
}

/// millisecondsBetween(start, end): waits until the device came by both.
Napi::Value millisecondsBetween(const Napi::CallbackInfo& info) {
  Marker& start = markerArgument(info, 0);
  Marker& end = markerArgument(info, 1);
  check(info.Env(), start.wait());
  check(info.Env(), end.wait());
  return Napi::Number::New(info.Env(), end.millisecondsSince(start));
}

/// setMatmulPrecision(0 float32, 1 tf32, 2 bfloat16). Throws ERR_ARGUMENT.
void setMatmulPrecision(const Napi::CallbackInfo& info) {
  const int64_t code = integerArgument(info, 0);
  if (code < 0 || code > 2) {
    check(info.Env(), Status::expected(Code::kArgument, "a code from 0 to 2", "precision",
                                       std::to_string(code)));
  }
  const auto precision = static_cast<MatmulPrecision>(code);
  check(info.Env(), Session::of(info).device->setMatmulPrecision(precision));
}

}  // namespace

void registerDevice(Functions& functions) {
  functions.add("synchronize", synchronize);
  functions.add("mark", mark);
  functions.add("millisecondsBetween", millisecondsBetween);
  functions.add("setMatmulPrecision", setMatmulPrecision);
}

void registerDevices(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("openCpuDevice", openCpuDevice);
  add("openLibraryDevice", openLibraryDevice);
  add("describeDeviceLibrary", describeDeviceLibrary);
  exports.Set("checkDeviceProducts", Napi::Function::New(env, checkDeviceProducts));
}

}  // namespace fastweight::binding
