#pragma once
// NT products too small to pay for packing B: vectors run along k, tiles of 4 x Q dot products, then one
// transpose-add. Both operands are read in place. Bits depend on k only (lane = k mod VLEN), never on the
// tile.
#include "kernels/cpu/gemm.h"

namespace dl::DL_ISA {
bool dot_path(const Gemm& g);
void dot_block(const Gemm& g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
}  // namespace dl::DL_ISA
