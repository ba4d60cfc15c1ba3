#include "fastweight/program.h"

#include <string>

namespace fastweight {

Status validateProgram(const Program& program, int64_t tokens) {
  for (size_t i = 0; i < program.size(); ++i) {
    const ProgramStep& step = program[i];
    const std::string name = "program[" + std::to_string(i) + "]";
    const std::string range =
        "[" + std::to_string(step.start) + ", " + std::to_string(step.end) + ")";
    if (step.end <= step.start) {
      return Status::expected(Code::kProgram, "a range of at least one token", name, range);
    }
    if (step.start < 0 || step.end > tokens) {
      return Status::expected(Code::kRange, "a range within [0, " + std::to_string(tokens) + ")",
                              name, range);
    }
  }
  return Status::ok();
}

int64_t outputTokens(const Program& program) {
  int64_t total = 0;
  for (const ProgramStep& step : program) {
    if (step.kind == ProgramStep::Kind::kApply) total += step.tokens();
  }
  return total;
}

}  // namespace fastweight
