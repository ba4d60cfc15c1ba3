#include "cpu/gemm_plan.h"

#include "cpu/micro_kernel.h"

namespace fastweight::cpu {
namespace {

// Cycles of an entry of an operand that is packed, in units of one vector multiply-add.
constexpr double kPackLeft = 0.25;
constexpr double kPackRight = 0.4;
/// Below this many vector multiply-adds a block is not worth another thread's while.
constexpr double kSmallestShare = 8192;

int64_t ceilDivide(int64_t x, int64_t y) { return (x + y - 1) / y; }

/// [m, n] in about rowBlocks x columnBlocks blocks of whole tiles.
BlockGrid cut(int64_t m, int64_t n, int64_t rowBlocks, int64_t columnBlocks) {
  const MicroKernels& kernels = microKernels();
  BlockGrid grid;
  grid.rows = ceilDivide(ceilDivide(m, rowBlocks), kernels.rows) * kernels.rows;
  grid.columns = ceilDivide(ceilDivide(n, columnBlocks), kernels.columns) * kernels.columns;
  grid.rowBlocks = ceilDivide(m, grid.rows);
  grid.columnBlocks = ceilDivide(n, grid.columns);
  return grid;
}

double blockCost(const BlockGrid& grid, int64_t m, int64_t n, int64_t k) {
  const double rows = static_cast<double>(std::min(grid.rows, m));
  const double columns = static_cast<double>(std::min(grid.columns, n));
  const double depth = static_cast<double>(std::max<int64_t>(1, k));
  return depth * (rows * columns / microKernels().width + kPackLeft * rows + kPackRight * columns);
}

}  // namespace

BlockGrid planBlocks(int64_t batch, int64_t m, int64_t n, int64_t k, int64_t mostColumns) {
  const int64_t fewestColumnBlocks = ceilDivide(n, mostColumns);
  BlockGrid best = cut(m, n, 1, fewestColumnBlocks);
  const double whole = blockCost(best, m, n, k) * best.columnBlocks;
  const int64_t threads = threadCount();
  if (threads > 1 && whole * batch > 2 * kSmallestShare) {
    const int64_t mostSplits = std::min<int64_t>(4 * threads, 64);
    double bestTime = 0;
    for (int64_t rowBlocks = 1; rowBlocks <= mostSplits; rowBlocks += 1 + rowBlocks / 4) {
      for (int64_t extra = 0; extra <= mostSplits; extra += 1 + extra / 4) {
        const BlockGrid grid = cut(m, n, rowBlocks, fewestColumnBlocks + extra);
        const double cost = blockCost(grid, m, n, k);
        if (cost < kSmallestShare && rowBlocks + extra > 1) break;
        const int64_t blocks = batch * grid.rowBlocks * grid.columnBlocks;
        // Threads are rarely all on time: a quarter of a block is lost at the end.
        const double time = (static_cast<double>(ceilDivide(blocks, threads)) + 0.25) * cost;
        if (bestTime == 0 || time < bestTime) {
          bestTime = time;
          best = grid;
        }
      }
    }
  }
  best.grain =
      std::max<int64_t>(1, static_cast<int64_t>(kSmallestShare / blockCost(best, m, n, k)));
  return best;
}

}  // namespace fastweight::cpu
