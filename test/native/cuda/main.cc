// Runs the tests of the CUDA device under emulation; prints the counts, and exits with 1 where a
// check failed.
#include "cuda_tests.h"

int main() {
  using namespace fastweight::test;
  testEmulation();
  std::printf("%d passed, %d failed\n", counts().passed, counts().failed);
  return counts().failed == 0 ? 0 : 1;
}
