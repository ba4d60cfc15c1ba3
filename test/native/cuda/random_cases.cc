// Random numbers: the same on every device. Words are the same bit for bit; what floating point
// makes of them may differ by how a compiler fuses products and sums.
#include "cuda_tests.h"

namespace fastweight::test {

void addRandomCases(DeviceCases* cases) {
  for (const int64_t count : {0, 1, 63, 64, 1000, 20000}) {
    const std::string of = " of " + std::to_string(count);
    cases->push_back({"random uniform" + of,
                      [=](DeviceRun& run) {
                        run.device().randomUniform(1234567890123u, count, 0, 1, run.floats(count));
                      },
                      0});
    cases->push_back(
        {"random uniform in a range" + of,
         [=](DeviceRun& run) { run.device().randomUniform(5, count, -3, 4.5f, run.floats(count)); },
         1e-6});
    cases->push_back({"random normal" + of, [=](DeviceRun& run) {
                        run.device().randomNormal(7, count, 0.5f, 2, run.floats(count));
                      }});
    cases->push_back({"dropout" + of,
                      [=](DeviceRun& run) {
                        std::vector<float> x = Random(8).floats(count);
                        if (count > 0) x[0] = HUGE_VALF;
                        run.device().dropout(9, count, 0.4, run.input(x), run.floats(count));
                      },
                      0});
  }
}

}  // namespace fastweight::test
