#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "cuda/cublas_lt.h"

namespace fastweight::cuda {
namespace {

/// Files to try, the system's search path first.
std::vector<std::string> candidates() {
  if (const char* file = std::getenv("FASTWEIGHT_CUBLAS_LIBRARY")) {
    if (*file != '\0') return {file};
  }
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  std::vector<std::string> files = {name};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char* folder = std::getenv(variable);
    if (folder != nullptr) files.push_back(std::string(folder) + "/lib64/" + name);
  }
  files.push_back("/usr/local/cuda/lib64/" + name);
  files.push_back("libcublasLt.so");
  return files;
}

struct Loaded {
  CublasLt table;
  bool works = false;
  std::string reason;
};

Loaded loadOnce() {
  Loaded loaded;
  void* library = nullptr;
  for (const std::string& file : candidates()) {
    library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
    // The first file is the one that should be there.
    if (loaded.reason.empty()) loaded.reason = dlerror();
  }
  if (library == nullptr) return loaded;
  loaded.works = true;
#define FASTWEIGHT_FIND(name)                                                          \
  loaded.table.name =                                                                  \
      reinterpret_cast<decltype(loaded.table.name)>(dlsym(library, "cublasLt" #name)); \
  if (loaded.table.name == nullptr) {                                                  \
    loaded.works = false;                                                              \
    loaded.reason = "a cuBLASLt without cublasLt" #name;                               \
  }
  FASTWEIGHT_CUBLAS_LT_FUNCTIONS(FASTWEIGHT_FIND)
#undef FASTWEIGHT_FIND
  return loaded;
}

}  // namespace

const CublasLt* CublasLt::load(std::string* reason) {
  static const Loaded loaded = loadOnce();
  if (!loaded.works) *reason = loaded.reason;
  return loaded.works ? &loaded.table : nullptr;
}

}  // namespace fastweight::cuda
