// How a batch of products is cut into blocks for the threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/thread_pool.h"

namespace fastweight::cpu {

/// The same cut of [m, n] for every matrix of a batch.
struct BlockGrid {
  int64_t rows = 1, columns = 1;            // of a block
  int64_t rowBlocks = 1, columnBlocks = 1;  // blocks a matrix
  /// Blocks that one thread takes at a time.
  int64_t grain = 1;
};

/// The cut that keeps all threads busy for the shortest time by a simple model of a block's cost:
/// its multiply-adds and the packing of its operands. Blocks have at most `mostColumns` columns, a
/// multiple of the tile's; see blockColumns().
BlockGrid planBlocks(int64_t batch, int64_t m, int64_t n, int64_t k, int64_t mostColumns);

/// body(b, row, rows, column, columns) for every block of every matrix, on all threads.
template <typename Body>
void forBlocks(const BlockGrid& grid, int64_t batch, int64_t m, int64_t n, Body body) {
  const int64_t blocks = grid.rowBlocks * grid.columnBlocks;
  parallelFor(batch * blocks, grid.grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = item % blocks;
      const int64_t row = block % grid.rowBlocks * grid.rows;
      const int64_t column = block / grid.rowBlocks * grid.columns;
      body(item / blocks, row, std::min(grid.rows, m - row), column,
           std::min(grid.columns, n - column));
    }
  });
}

}  // namespace fastweight::cpu
