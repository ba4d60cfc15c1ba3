#include "cpu/cpu_features.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "cpu/micro_kernel.h"
#include "cpu/vector_kernels.h"

#if defined(__x86_64__) || defined(_M_X64)
#ifdef _MSC_VER
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace fastweight::cpu {
namespace {

#if defined(__x86_64__) || defined(_M_X64)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf) {
  Registers r;
#ifdef _MSC_VER
  int values[4];
  __cpuidex(values, static_cast<int>(leaf), 0);
  r = {static_cast<uint32_t>(values[0]), static_cast<uint32_t>(values[1]),
       static_cast<uint32_t>(values[2]), static_cast<uint32_t>(values[3])};
#else
  __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
  return r;
}

/// The register state that the operating system saves at a context switch (XCR0).
uint64_t savedState() {
#ifdef _MSC_VER
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
#endif
}

bool hasBits(uint64_t value, uint64_t bits) { return (value & bits) == bits; }

constexpr uint32_t bit(int index) { return uint32_t{1} << index; }

void addX86(std::vector<Isa>* isas) {
  const Registers basic = cpuid(1);
  const uint32_t kFma = bit(12), kOsxsave = bit(27), kAvx = bit(28);
  if (!hasBits(basic.ecx, kFma | kOsxsave | kAvx) || cpuid(0).eax < 7) return;
  const uint64_t saved = savedState();
  const Registers extended = cpuid(7);
  const uint64_t kYmmState = 0x6, kZmmState = 0xe6;
  const uint32_t kAvx2 = bit(5);
  if (!hasBits(saved, kYmmState) || !hasBits(extended.ebx, kAvx2)) return;
  if (microKernelsAvx2() != nullptr) isas->push_back(Isa::kAvx2);
  const uint32_t kFoundation = bit(16), kDq = bit(17), kBw = bit(30), kVl = bit(31);
  if (!hasBits(saved, kZmmState) || !hasBits(extended.ebx, kFoundation | kDq | kBw | kVl)) return;
  if (microKernelsAvx512() != nullptr) isas->push_back(Isa::kAvx512);
}

#endif

std::vector<Isa> detect() {
  std::vector<Isa> isas{Isa::kPortable};
#if defined(__x86_64__) || defined(_M_X64)
  addX86(&isas);
#endif
  if (microKernelsNeon() != nullptr) isas.push_back(Isa::kNeon);  // always there on arm64
  return isas;
}

std::string names() {
  std::string list;
  for (const Isa isa : availableIsas())
    list += (list.empty() ? "" : ", ") + std::string(isaName(isa));
  return list;
}

struct Selection {
  Selection() {
    const char* wanted = std::getenv("FASTWEIGHT_ISA");
    current = availableIsas().back();
    if (wanted != nullptr) environmentStatus = select(wanted, "FASTWEIGHT_ISA");
  }

  Status select(const std::string& name, const char* argument) {
    if (name.empty()) {
      current = availableIsas().back();
      return Status::ok();
    }
    for (const Isa isa : availableIsas()) {
      if (name != isaName(isa)) continue;
      current = isa;
      return Status::ok();
    }
    return Status::expected(Code::kArgument, "one of " + names(), argument, "'" + name + "'");
  }

  std::atomic<Isa> current{Isa::kPortable};
  Status environmentStatus;
};

Selection& selection() {
  static auto* value = new Selection();  // never destroyed: threads may outlive main()
  return *value;
}

}  // namespace

const char* isaName(Isa isa) {
  switch (isa) {
    case Isa::kNeon:
      return "neon";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    default:
      return "portable";
  }
}

const std::vector<Isa>& availableIsas() {
  static const auto* isas = new std::vector<Isa>(detect());
  return *isas;
}

Isa currentIsa() { return selection().current.load(std::memory_order_relaxed); }

Status selectIsa(const std::string& name) { return selection().select(name, "isa"); }

Status environmentIsaStatus() { return selection().environmentStatus; }

const MicroKernels& microKernels() {
  switch (currentIsa()) {
    case Isa::kNeon:
      return *microKernelsNeon();
    case Isa::kAvx2:
      return *microKernelsAvx2();
    case Isa::kAvx512:
      return *microKernelsAvx512();
    default:
      return *microKernelsPortable();
  }
}

const VectorKernels& vectorKernels() {
  switch (currentIsa()) {
    case Isa::kAvx2:
      return *vectorKernelsAvx2();
    case Isa::kAvx512:
      return *vectorKernelsAvx512();
    default:
      return *vectorKernelsPortable();
  }
}

}  // namespace fastweight::cpu
