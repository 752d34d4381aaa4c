#pragma once
// Initial values that see a weight as a matrix: a row of (in, or in times window) numbers for each unit.
#include <cstdint>

#include "base/threads.h"
#include "tensor/tensor.h"

namespace dl {

// Where the numbers of one tensor come from, and who draws them.
struct RandomSource {
  uint64_t seed, stream;
  Pool* pool;
};

// Rows at right angles with the norm `gain`; columns where there are more rows than columns. Uniform among all such
// matrices. Takes rows^2 columns operations, shared by the pool.
void fill_orthogonal(Tensor& t, double gain, const RandomSource& from);
// (out, in) of this kind in the middle of a window (out, in, kh, kw) of zeros.
void fill_delta_orthogonal(Tensor& t, double gain, const RandomSource& from);
// `gain` where unit and input have the same number, in the middle of the window.
void fill_identity(Tensor& t, double gain);
// `connections` elements of each row, all if there are fewer.
void fill_sparse(Tensor& t, int64_t connections, double std, const RandomSource& from);

}  // namespace dl
