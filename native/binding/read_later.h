// Reads that do not hold up JavaScript.
#pragma once

#include <napi.h>

#include <cstddef>

namespace fastweight::binding {

/// A promise of an ArrayBuffer with the first bytes of the tensor whose handle is argument 0, as
/// many as argument 1 says; rejected with the first failure of what was queued before. What is
/// queued later changes nothing of it.
Napi::Value readLater(const Napi::CallbackInfo& info);

}  // namespace fastweight::binding
