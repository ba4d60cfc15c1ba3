#include "core/scan_state.h"
#include "fastweight/fast_weight_scan.h"

namespace fastweight {

std::unique_ptr<ScanTape> ScanTape::create(Device& device, const ScanShape& shape,
                                           const Program& program, const ScanOptions& options,
                                           int64_t newtonSchulzFloats) {
  std::unique_ptr<ScanTape> tape(new ScanTape(device));
  const bool isAuto = options.memory == ScanMemory::kAuto;
  const auto tryWith = [&](bool activations, bool iterates) {
    tape->storesActivations_ = activations;
    tape->storesIterates_ = iterates && !options.newtonSchulz.empty();
    tape->plan(shape, program, options, newtonSchulzFloats);
    const bool fits = !isAuto || !activations || tape->bytes() <= device.keptBytesLimit();
    return fits && tape->allocate();
  };
  const auto mayBe = [&](ScanMemory memory) { return isAuto || options.memory == memory; };
  if (mayBe(ScanMemory::kStore) && tryWith(true, true)) return tape;
  if (mayBe(ScanMemory::kActivations) && tryWith(true, false)) return tape;
  if (mayBe(ScanMemory::kRecompute) && tryWith(false, false)) return tape;
  return nullptr;
}

ScanTape::~ScanTape() { device_.release(memory_, bytes()); }

void ScanTape::plan(const ScanShape& shape, const Program& program, const ScanOptions& options,
                    int64_t newtonSchulzFloats) {
  floats_ = 0;
  const auto reserve = [&](int64_t floats) {
    const int64_t offset = floats_;
    floats_ += Workspace::aligned(floats);
    return offset;
  };
  const int64_t set = WeightSet::floats(shape);
  steps_.assign(program.size(), Step());
  for (size_t i = 0; i < program.size(); ++i) {
    Step& step = steps_[i];
    const int64_t hidden = shape.rows * program[i].tokens() * shape.hiddenDim;
    const bool isUpdate = program[i].kind == ProgramStep::Kind::kUpdate;
    if (storesActivations_) step.gateUp = reserve(2 * hidden);
    if (!isUpdate) continue;
    step.live = reserve(set);
    if (options.weightNorm == WeightNorm::kPre) step.main = reserve(set);
    step.step = reserve(set);
    if (storesActivations_) step.dHidden = reserve(hidden);
    if (!storesIterates_) continue;
    step.increment = reserve(set);
    step.iterates = reserve(newtonSchulzFloats);
  }
  finalLive_ = reserve(set);
}

bool ScanTape::allocate() {
  memory_ = static_cast<float*>(device_.allocate(bytes()));
  return memory_ != nullptr;
}

}  // namespace fastweight
