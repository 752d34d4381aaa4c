#pragma once
// A reduction of a dense tensor as alternating groups of kept and reduced axes.
#include "kernels/kernel.h"
#include "kernels/reduce_attrs.h"

namespace dl::DL_ISA {

struct AxisGroup {
  int64_t size, stride;
};

struct Fold {
  AxisGroup kept[6], reduced[6];  // outermost first; the innermost group of all stands in `inner`
  int n_kept = 0, n_reduced = 0;
  int64_t inner = 1;  // extent of the innermost group, stride 1
  bool inner_reduced = true;
  int64_t kept_outer = 1, reduced_outer = 1;  // products of the lists
  DL_HD int64_t outputs() const { return inner_reduced ? kept_outer : kept_outer * inner; }
  DL_HD int64_t terms() const { return inner_reduced ? reduced_outer * inner : reduced_outer; }
};

DL_HD inline int64_t offset_of(int64_t i, const AxisGroup* groups, int n) {
  int64_t at = 0;
  for (int k = n - 1; k > 0; --k) {
    at += i % groups[k].size * groups[k].stride;
    i /= groups[k].size;
  }
  return n ? at + i * groups[0].stride : 0;
}

inline Fold make_fold(const Arg& x, const bool (&reduced)[6]) {
  struct Group {
    int64_t size;
    bool reduced;
  } g[6];
  int n = 0;
  for (int i = 0; i < x.rank; ++i) {
    if (x.dims[i] == 1) continue;
    if (n && g[n - 1].reduced == reduced[i])
      g[n - 1].size *= x.dims[i];
    else
      g[n++] = {x.dims[i], reduced[i]};
  }
  Fold f;
  if (n == 0) return f;
  f.inner = g[n - 1].size;
  f.inner_reduced = g[n - 1].reduced;
  int64_t stride[6], s = 1;
  for (int i = n - 1; i >= 0; --i) {
    stride[i] = s;
    s *= g[i].size;
  }
  for (int i = 0; i + 1 < n; ++i) {
    if (g[i].reduced) {
      f.reduced[f.n_reduced++] = {g[i].size, stride[i]};
      f.reduced_outer *= g[i].size;
    } else {
      f.kept[f.n_kept++] = {g[i].size, stride[i]};
      f.kept_outer *= g[i].size;
    }
  }
  return f;
}

inline Fold fold_axes(const Arg& x, const Dims& axes) {
  bool reduced[6];
  for (bool& r : reduced) r = axes.n == 0;
  for (int64_t i = 0; i < axes.n; ++i) reduced[axes.d[i] < 0 ? axes.d[i] + x.rank : axes.d[i]] = true;
  return make_fold(x, reduced);
}

// Reduces to the shape of y, aligned to the right.
inline Fold fold_to(const Arg& x, const Arg& y) {
  bool reduced[6] = {};
  for (int i = 0; i < x.rank; ++i) {
    const int at = i - (x.rank - y.rank);
    reduced[i] = at < 0 || y.dims[at] != x.dims[i];
  }
  return make_fold(x, reduced);
}

}  // namespace dl::DL_ISA
