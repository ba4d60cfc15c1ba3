// Runs the native tests; prints the counts, and exits with 1 where a check failed.
#include "check.h"
#include "cpu/cpu_features.h"

int main() {
  using namespace fastweight::test;
  const fastweight::Status status = fastweight::cpu::environmentIsaStatus();
  if (!status.isOk()) {
    std::printf("%s: %s\n", fastweight::codeName(status.code()), status.message().c_str());
  }
  std::printf("environment isa: %s\n", fastweight::cpu::isaName(fastweight::cpu::currentIsa()));
  const auto device = fastweight::createCpuDevice();
  testCpuFeatures();
  testThreadPool();
  testGemm(*device);
  testSymmetricProduct(*device);
  testSwiglu(*device);
  testSequenceKernels(*device);
  testOptimizerKernels(*device);
  testRandomKernels(*device);
  testCommunicator();
  testScanKeys();
  std::string isas;
  for (const auto isa : fastweight::cpu::availableIsas()) {
    isas += std::string(" ") + fastweight::cpu::isaName(isa);
  }
  std::printf("isas:%s\n%d passed, %d failed\n", isas.c_str(), counts().passed, counts().failed);
  return counts().failed == 0 ? 0 : 1;
}
