// Which tokens of the two sides of attention see each other.
#pragma once

#include <cstdint>

#include "fastweight/sequence_kernels.h"

namespace fastweight::cpu {

// Internal linkage: code compiled for one instruction set must not serve the files of another.

/// Tokens [begin, end) of the other side.
struct TokenRange {
  int64_t begin, end;
};

/// The first keys of the queries of a batch element from `query` on, or null.
static inline const int32_t* firstKeysOf(const AttentionShape& s, int64_t b, int64_t query) {
  if (!s.causal || s.firstKeys == nullptr) return nullptr;
  return s.firstKeys + b * s.queryTokens + query;
}

/// The keys that some of `count` queries from `first` on see.
[[maybe_unused]] static inline TokenRange keysOf(const AttentionShape& s, int64_t b, int64_t first,
                                                 int64_t count) {
  if (!s.causal) return {0, s.keyTokens};
  const int64_t position = first + s.keyTokens - s.queryTokens;
  const int64_t windowed = position - s.window + 1;
  const int32_t* firstKeys = firstKeysOf(s, b, first);
  const int64_t begin = firstKeys != nullptr && *firstKeys > windowed ? *firstKeys : windowed;
  return {begin > 0 ? begin : 0, position + count};
}

/// The queries that see some of `count` keys from `first` on.
[[maybe_unused]] static inline TokenRange queriesOf(const AttentionShape& s, int64_t b,
                                                    int64_t first, int64_t count) {
  if (!s.causal) return {0, s.queryTokens};
  const int64_t offset = s.keyTokens - s.queryTokens;
  const int64_t lastKey = first + count - 1;
  const int64_t begin = first > offset ? first - offset : 0;
  int64_t end = lastKey + s.window - offset;
  if (end > s.queryTokens) end = s.queryTokens;
  const int32_t* firstKeys = firstKeysOf(s, b, 0);
  while (firstKeys != nullptr && end > begin && firstKeys[end - 1] > lastKey) --end;
  return {begin, end > begin ? end : begin};
}

}  // namespace fastweight::cpu
