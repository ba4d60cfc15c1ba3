#include "binding/environment.h"

namespace fastweight::binding {

void registerTensorKernels(Napi::Env, Napi::Object) {}

}  // namespace fastweight::binding
