#include "binding/read_later.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "binding/environment.h"

namespace fastweight::binding {
namespace {

/// Waits for the copy on a thread of the pool, then hands its bytes over.
class Waiter final : public Napi::AsyncWorker {
 public:
  Waiter(Napi::Env env, std::unique_ptr<HostRead> read, size_t bytes)
      : AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        read_(std::move(read)),
        bytes_(bytes) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { status_ = read_->wait(); }

  void OnOK() override {
    try {
      check(Env(), status_);
      Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(Env(), bytes_);
      if (bytes_ > 0) std::memcpy(buffer.Data(), read_->data(), bytes_);
      deferred_.Resolve(buffer);
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::unique_ptr<HostRead> read_;
  size_t bytes_;
  Status status_;
};

}  // namespace

Napi::Value readLater(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto bytes = static_cast<size_t>(integerArgument(info, 1));
  const void* memory = inputArgument(info, 0, bytes);
  Device& device = *Session::of(info).device;
  std::unique_ptr<HostRead> read = device.startRead(memory, bytes);
  if (read != nullptr) {
    auto* waiter = new Waiter(env, std::move(read), bytes);
    waiter->Queue();
    return waiter->promise();
  }
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes);
  device.copyToHost(buffer.Data(), memory, bytes);
  check(env, device.synchronize());
  const Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
  deferred.Resolve(buffer);
  return deferred.Promise();
}

}  // namespace fastweight::binding
