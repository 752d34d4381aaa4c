#pragma once
// Shapes with stretched extents, folded into as few loops as they need.
#include "kernels/dims.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

// Walks the output row by row: `count` rows of `inner` elements. In a row operand k moves by step[k], 0 or 1.
template <int kOperands>
struct Rows {
  int rank = 0;  // of the outer loops, at most 6
  int64_t dims[6];
  int64_t stride[6][kOperands];  // in elements, 0 where stretched
  int64_t inner = 1, count = 1;
  int64_t step[kOperands];

  struct Position {
    int64_t index[6];       // along the outer loops
    int64_t at[kOperands];  // offsets of the operands
  };
  DL_HD Position position(int64_t r) const {
    Position p{};
    for (int i = rank - 1; i >= 0; --i) {
      p.index[i] = r % dims[i];
      r /= dims[i];
      for (int k = 0; k < kOperands; ++k) p.at[k] += p.index[i] * stride[i][k];
    }
    return p;
  }
  DL_HD void advance(Position& p) const {  // to the next row
    for (int i = rank - 1; i >= 0; --i) {
      for (int k = 0; k < kOperands; ++k) p.at[k] += stride[i][k];
      if (++p.index[i] < dims[i]) return;
      for (int k = 0; k < kOperands; ++k) p.at[k] -= dims[i] * stride[i][k];
      p.index[i] = 0;
    }
  }
};

// Operands aligned to the right against `out`; extents 1 stretch. Shapes are known to fit.
template <int kOperands>
inline Rows<kOperands> fold_rows(const Arg& out, const Arg* const (&in)[kOperands]) {
  Rows<kOperands> rows;
  int64_t dims[6], stride[6][kOperands];  // innermost first
  int n = 0;
  int64_t running[kOperands];
  for (int64_t& s : running) s = 1;
  for (int i = out.rank - 1, back = 0; i >= 0; --i, ++back) {
    const int64_t d = out.dims[i];
    int64_t s[kOperands];
    for (int k = 0; k < kOperands; ++k) {
      const int at = in[k]->rank - 1 - back;
      const int64_t e = at >= 0 ? in[k]->dims[at] : 1;
      s[k] = e == 1 ? 0 : running[k];
      running[k] *= e;
    }
    if (d == 1) continue;
    bool joins = n > 0;
    for (int k = 0; joins && k < kOperands; ++k) joins = s[k] == stride[n - 1][k] * dims[n - 1];
    if (joins) {
      dims[n - 1] *= d;
      continue;
    }
    dims[n] = d;
    for (int k = 0; k < kOperands; ++k) stride[n][k] = s[k];
    ++n;
  }
  rows.inner = n ? dims[0] : 1;
  for (int k = 0; k < kOperands; ++k) rows.step[k] = n ? stride[0][k] : 1;
  for (int i = n - 1; i > 0; --i, ++rows.rank) {
    rows.dims[rows.rank] = dims[i];
    rows.count *= dims[i];
    for (int k = 0; k < kOperands; ++k) rows.stride[rows.rank][k] = stride[i][k];
  }
  return rows;
}

// The input as broadcast_to reads it: with extents 1 put in at the inserted axes of the output.
inline Arg with_inserted_axes(const Arg& in, const Arg& out, const Dims& axes) {
  Arg x = in;
  if (axes.n == 0) return x;
  x.rank = out.rank;
  for (int i = 0, from = 0; i < x.rank; ++i) {
    bool inserted = false;
    for (int64_t k = 0; k < axes.n; ++k) inserted = inserted || axes.d[k] == i;
    x.dims[i] = inserted ? 1 : in.dims[from++];
  }
  return x;
}

}  // namespace dl::DL_ISA
