#include "binding/environment.h"

namespace fastweight::binding {

void registerFastWeights(Napi::Env, Napi::Object) {}

}  // namespace fastweight::binding
