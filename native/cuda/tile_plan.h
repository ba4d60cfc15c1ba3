// How many tokens of a chunk go through the products at a time.
#pragma once

#include <algorithm>
#include <cstdint>

namespace fastweight::cuda {

struct TilePlan {
  int multiprocessors = 1;
  int64_t cacheBytes = 0;
  /// Of an entry of the hidden layer in memory.
  int64_t elementBytes = 4;

  /// Tokens of a tile of `rows` rows: as many as leave a tile's three hidden matrices in the last
  /// cache level, in whole waves of 128 x 256 blocks of the product with `hiddenDim` columns over
  /// all multiprocessors (2816 tokens at 1536 columns are one wave of 132).
  int64_t tokens(int64_t rows, int64_t hiddenDim) const {
    constexpr int64_t kBlockTokens = 128, kBlockColumns = 256, kMost = 16384;
    const int64_t token = std::max<int64_t>(1, rows * 3 * hiddenDim * elementBytes);
    // The weights and what streams by want a share, too.
    const int64_t fitting = cacheBytes * 3 / 5 / token / kBlockTokens * kBlockTokens;
    const int64_t most = std::clamp(fitting, kBlockTokens, kMost);
    // Blocks of one stretch of kBlockTokens tokens, over all rows.
    const int64_t blocks =
        std::max<int64_t>(1, rows * ((hiddenDim + kBlockColumns - 1) / kBlockColumns));
    int64_t best = most;
    double bestShare = 0;
    for (int64_t tokens = most; tokens >= kBlockTokens && 2 * tokens >= most;
         tokens -= kBlockTokens) {
      const int64_t all = blocks * (tokens / kBlockTokens);
      const int64_t waves = (all + multiprocessors - 1) / multiprocessors;
      const double share = static_cast<double>(all) / static_cast<double>(waves * multiprocessors);
      if (share > bestShare + 1e-9) {
        bestShare = share;
        best = tokens;
      }
    }
    return best;
  }
};

/// Parts [0, n) is cut into so that the lower triangle of parts costs little more than half of all
/// products, while each part still fills the multiprocessors.
inline int64_t symmetricParts(int64_t batch, int64_t n, int multiprocessors) {
  constexpr int64_t kBlock = 128;
  for (const int64_t parts : {4, 3, 2}) {
    const int64_t side = n / parts / kBlock;
    if (side >= 1 && batch * side * side >= multiprocessors / 2) return parts;
  }
  return 1;
}

}  // namespace fastweight::cuda
