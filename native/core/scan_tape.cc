#include "core/scan_state.h"
#include "fastweight/fast_weight_scan.h"

namespace fastweight {

std::unique_ptr<ScanTape> ScanTape::create(Device& device, const ScanShape& shape,
                                           const Program& program, const ScanOptions& options,
                                           int64_t newtonSchulzFloats) {
  std::unique_ptr<ScanTape> tape(new ScanTape(device));
  const auto tryWith = [&](bool storesAll) {
    tape->plan(shape, program, options, newtonSchulzFloats, storesAll);
    return (options.memory != ScanMemory::kAuto || !storesAll ||
            tape->bytes() <= device.keptBytesLimit()) &&
           tape->allocate();
  };
  if (options.memory != ScanMemory::kRecompute && tryWith(true)) return tape;
  if (options.memory != ScanMemory::kStore && tryWith(false)) return tape;
  return nullptr;
}

ScanTape::~ScanTape() { device_.release(memory_, bytes()); }

void ScanTape::plan(const ScanShape& shape, const Program& program, const ScanOptions& options,
                    int64_t newtonSchulzFloats, bool storesAll) {
  floats_ = 0;
  storesAll_ = storesAll;
  const auto reserve = [&](int64_t floats) {
    const int64_t offset = floats_;
    floats_ += Workspace::aligned(floats);
    return offset;
  };
  const int64_t set = WeightSet::floats(shape);
  const bool hasMuon = !options.newtonSchulz.empty();
  steps_.assign(program.size(), Step());
  for (size_t i = 0; i < program.size(); ++i) {
    Step& step = steps_[i];
    const int64_t hidden = shape.rows * program[i].tokens() * shape.hiddenDim;
    const bool isUpdate = program[i].kind == ProgramStep::Kind::kUpdate;
    if (storesAll) step.gateUp = reserve(2 * hidden);
    if (!isUpdate) continue;
    step.live = reserve(set);
    if (options.weightNorm == WeightNorm::kPre) step.main = reserve(set);
    step.step = reserve(set);
    if (!storesAll) continue;
    step.dHidden = reserve(hidden);
    step.increment = hasMuon ? reserve(set) : step.step;
    step.iterates = reserve(newtonSchulzFloats);
  }
  finalLive_ = reserve(set);
}

bool ScanTape::allocate() {
  memory_ = static_cast<float*>(device_.allocate(bytes()));
  return memory_ != nullptr;
}

}  // namespace fastweight
