// Runs the tests of the CUDA device under emulation; prints the counts, and exits with 1 where a
// check failed. With an argument, only the cases whose names contain it.
#include <cstdlib>
#include <cstring>

#include "cuda/cuda_device.h"
#include "cuda_tests.h"

int main(int argumentCount, char** arguments) {
  using namespace fastweight::test;
  setenv("FASTWEIGHT_CUBLAS_LIBRARY", FASTWEIGHT_CUBLAS_EMULATION, 1);
  testEmulation();
  if (argumentCount == 1) {
    // On devices of their own, before another holds memory.
    testGraphs();
    testScanReplays();
  }
  const auto cpu = fastweight::createCpuDevice();
  std::unique_ptr<fastweight::Device> cuda;
  const fastweight::Status status = fastweight::cuda::CudaDevice::create(0, &cuda);
  expect(status.isOk(), "the emulated CUDA device", status.message());
  if (status.isOk()) {
    if (argumentCount == 1) {
      testRuntime(*cuda);
      testTileProducts();
      testStorage(*cuda);
      checkBriefly();
      testGemm(*cuda);
      testSymmetricProduct(*cuda);
      testSwiglu(*cuda);
    }
    DeviceCases cases;
    addProductCases(&cases);
    addPrimitiveCases(&cases);
    addElementwiseCases(&cases);
    addMovementCases(&cases);
    addReduceCases(&cases);
    addSequenceCases(&cases);
    addAttentionCases(&cases);
    addOptimizerCases(&cases);
    addRandomCases(&cases);
    addConvolutionCases(&cases);
    for (const DeviceCase& each : cases) {
      if (argumentCount > 1 && each.name.find(arguments[1]) == std::string::npos) continue;
      testOnBoth(each, *cpu, *cuda);
    }
    if (argumentCount == 1) testSmallSharedMemory(*cpu);
  }
  std::printf("%d passed, %d failed\n", counts().passed, counts().failed);
  return counts().failed == 0 ? 0 : 1;
}
