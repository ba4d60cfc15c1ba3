// A program: the ordered updates and applies of a fast-weight layer over the token axis.
#pragma once

#include <cstdint>
#include <vector>

#include "fastweight/status.h"

namespace fastweight {

struct ProgramStep {
  enum class Kind { kUpdate, kApply };
  Kind kind = Kind::kApply;
  /// Tokens [start, end).
  int64_t start = 0, end = 0;

  int64_t tokens() const { return end - start; }
};

using Program = std::vector<ProgramStep>;

/// ERR_PROGRAM for an empty or reversed range, ERR_RANGE for one outside [0, tokens).
Status validateProgram(const Program& program, int64_t tokens);

/// Tokens of all applies together: the length of the scan's output.
int64_t outputTokens(const Program& program);

}  // namespace fastweight
