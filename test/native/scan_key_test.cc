// The keys of a scan's passes: everything that what they queue depends on tells them apart.
#include "core/scan_key.h"

#include <cstring>

#include "check.h"

namespace fastweight::test {
namespace {

bool same(const ReplayKey& a, const ReplayKey& b) { return !(a < b) && !(b < a); }

/// Addresses that nothing is read from.
const float kMemory[2] = {};

/// A forward and a backward, whose keys' parts can be changed one by one.
struct Call {
  ScanShape shape{2, 24, 4, 6, 3};
  Program program{{ProgramStep::Kind::kApply, 0, 24}, {ProgramStep::Kind::kUpdate, 0, 24}};
  ScanOptions options;
  ScanInputs inputs;
  ScanOutputs outputs;
  ScanCotangents cotangents;
  ScanGradients gradients;
  const float* workspace = kMemory;

  Call() { options.newtonSchulz = {{3, -4, 2}, {2, -1, 0.5f}}; }
};

struct Keys {
  ReplayKey forward, backward;
};

Keys keysOf(const Call& call, Device& device, const ScanTape& tape) {
  const ScanEngine engine(device, call.shape, call.program, call.options, call.inputs);
  return {forwardKey(engine, call.program, call.outputs, &tape, call.workspace),
          backwardKey(engine, call.program, tape, call.cotangents, call.gradients, call.workspace)};
}

class KeyTest {
 public:
  KeyTest() : device_(createCpuDevice()), tape_(tapeOf(ScanMemory::kStore)), keys_(keys(call_)) {}

  void run() {
    const Keys again = keys(call_);
    expect(same(again.forward, keys_.forward) && same(again.backward, keys_.backward),
           "one call has one key");
    expect(!same(keys_.forward, keys_.backward), "forward and backward differ");
    fields("inputs", &Call::inputs, kBoth);
    fields("outputs", &Call::outputs, kForward);
    fields("cotangents", &Call::cotangents, kBackward);
    fields("gradients", &Call::gradients, kBackward);
    changes("rows", kBoth, [](Call& c) { c.shape.rows = 3; });
    changes("tokens", kBoth, [](Call& c) { c.shape.tokens = 25; });
    changes("keyDim", kBoth, [](Call& c) { c.shape.keyDim = 5; });
    changes("hiddenDim", kBoth, [](Call& c) { c.shape.hiddenDim = 7; });
    changes("valueDim", kBoth, [](Call& c) { c.shape.valueDim = 4; });
    changes("a step's kind", kBoth,
            [](Call& c) { c.program[0].kind = ProgramStep::Kind::kUpdate; });
    changes("a step's start", kBoth, [](Call& c) { c.program[0].start = 1; });
    changes("a step's end", kBoth, [](Call& c) { c.program[1].end = 23; });
    changes("one step more", kBoth, [](Call& c) { c.program.push_back(c.program[0]); });
    changes("weightNorm", kBoth, [](Call& c) { c.options.weightNorm = WeightNorm::kPre; });
    changes("detachNorm", kBoth, [](Call& c) { c.options.detachNorm = true; });
    changes("normEpsilon", kBoth, [](Call& c) { c.options.normEpsilon = 1e-6f; });
    changes("newtonSchulzEpsilon", kBoth, [](Call& c) { c.options.newtonSchulzEpsilon = 0; });
    changes("method", kBoth,
            [](Call& c) { c.options.newtonSchulzMethod = NewtonSchulzMethod::kGram; });
    changes("a coefficient", kBoth, [](Call& c) { c.options.newtonSchulz[1].c = 0.25f; });
    changes("a shorter schedule", kBoth, [](Call& c) { c.options.newtonSchulz.pop_back(); });
    changes("workspace", kBoth, [](Call& c) { c.workspace = kMemory + 1; });
    tapes();
  }

 private:
  enum Which { kForward = 1, kBackward = 2, kBoth = 3 };

  std::unique_ptr<ScanTape> tapeOf(ScanMemory memory) {
    ScanOptions options = call_.options;
    options.memory = memory;
    return ScanTape::create(*device_, call_.shape, call_.program, options, 64);
  }
  Keys keys(const Call& call) { return keysOf(call, *device_, *tape_); }

  template <typename Change>
  void changes(const std::string& what, int which, Change change) {
    Call call = call_;
    change(call);
    const Keys other = keys(call);
    const bool forward = !same(other.forward, keys_.forward);
    const bool backward = !same(other.backward, keys_.backward);
    expect((forward ? kForward : 0) + (backward ? kBackward : 0) == which,
           what + " tells keys apart");
  }

  /// Every address of a structure that holds nothing but addresses and, in as much room, how what
  /// lies there is stored.
  template <typename Addresses>
  void fields(const std::string& name, Addresses Call::* part, int which) {
    static_assert(sizeof(Addresses) % sizeof(float*) == 0, "words as wide as addresses");
    for (size_t at = 0; at < sizeof(Addresses); at += sizeof(float*)) {
      changes("address " + std::to_string(at / sizeof(float*)) + " of " + name, which,
              [&](Call& call) {
                const float* other = kMemory;
                std::memcpy(reinterpret_cast<char*>(&(call.*part)) + at, &other, sizeof other);
              });
    }
  }

  void tapes() {
    const std::unique_ptr<ScanTape> other = tapeOf(ScanMemory::kStore);
    const std::unique_ptr<ScanTape> smaller = tapeOf(ScanMemory::kActivations);
    for (const ScanTape* tape : {other.get(), smaller.get()}) {
      const Keys keys = keysOf(call_, *device_, *tape);
      expect(!same(keys.forward, keys_.forward) && !same(keys.backward, keys_.backward),
             "the tape tells keys apart");
    }
    const ScanEngine engine(*device_, call_.shape, call_.program, call_.options, call_.inputs);
    expect(!same(forwardKey(engine, call_.program, call_.outputs, nullptr, call_.workspace),
                 keys_.forward),
           "no tape is another key");
  }

  std::unique_ptr<Device> device_;
  Call call_;
  std::unique_ptr<ScanTape> tape_;
  Keys keys_;
};

}  // namespace

void testScanKeys() { KeyTest().run(); }

}  // namespace fastweight::test
