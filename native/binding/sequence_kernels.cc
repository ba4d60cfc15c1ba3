#include "binding/environment.h"

namespace fastweight::binding {

void registerSequenceKernels(Napi::Env, Napi::Object) {}

}  // namespace fastweight::binding
