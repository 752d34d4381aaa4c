// Kernels of concat, slice, slice_grad, reshape and stop_gradient: along one axis a tensor is rows of bytes, of which pieces are pasted.
#include "kernels/cuda/copy.h"

#include "kernels/cuda/index.h"
#include "kernels/slice.h"

namespace dl::DL_ISA {
namespace {

// Rows of `width` units; the distances from row to row are in units too.
template <class U>
__global__ void copy_kernel(U* __restrict__ to, int64_t to_pitch, const U* __restrict__ from,
                            int64_t from_pitch, Divisor width, uint32_t n) {
  each_item(
      n,
      [&](uint32_t i) {
        const uint32_t r = width.split(i);
        return from[r * from_pitch + i];
      },
      [&](uint32_t i, const U& v) {
        const uint32_t r = width.split(i);
        to[r * to_pitch + i] = v;
      });
}

// Rows of `row` units of dx that are zero but for the units [first, first + width), which dy has side by side.
template <class U>
__global__ void paste_kernel(U* __restrict__ dx, Divisor row, const U* __restrict__ dy, uint32_t first,
                             uint32_t width, uint32_t n) {
  each_item(
      n,
      [&](uint32_t i) {
        const uint32_t r = row.split(i);
        return i - first < width ? dy[int64_t{r} * width + (i - first)] : U{};
      },
      [&](uint32_t i, const U& v) { dx[i] = v; });
}

int axis_of(int64_t axis, int rank) { return static_cast<int>(axis < 0 ? axis + rank : axis); }

// Bytes that follow each other from `axis` on.
int64_t row_bytes(const Arg& a, int axis) { return a.size(axis, a.rank) * elem_size(a.type); }

void run_reshape(const Call& c, int, int64_t, float*) {
  if (c.in[0].data == c.out[0].data) return;
  const int64_t n = size_in_bytes(c.out[0]);
  copy_rows(c, bytes(c.out[0]), n, bytes(c.in[0]), n, n, 1);
}

void run_concat(const Call& c, int, int64_t, float*) {
  const Arg& y = c.out[0];
  const int axis = axis_of(static_cast<const ConcatAttrs*>(c.attrs)->axis, y.rank);
  const int64_t row = row_bytes(y, axis), rows = y.size(0, axis);
  int64_t first = 0;  // of this input, within a row
  for (int i = 0; i < c.n_in; ++i) {
    const int64_t size = row_bytes(c.in[i], axis);
    copy_rows(c, bytes(y) + first, row, bytes(c.in[i]), size, size, rows);
    first += size;
  }
}

void run_slice(const Call& c, int, int64_t, float*) {
  const SliceAttrs& a = *static_cast<const SliceAttrs*>(c.attrs);
  const Arg &x = c.in[0], &y = c.out[0];
  const int axis = axis_of(a.axis, x.rank);
  const int64_t extent = x.dims[axis],
                begin = least(extent, most(0, a.begin < 0 ? a.begin + extent : a.begin));
  const int64_t row = row_bytes(y, axis);
  copy_rows(c, bytes(y), row, bytes(x) + begin * row_bytes(x, axis + 1), row_bytes(x, axis), row,
            y.size(0, axis));
}

void run_slice_grad(const Call& c, int, int64_t, float*) {
  const SliceGradAttrs& a = *static_cast<const SliceGradAttrs*>(c.attrs);
  const Arg &dy = c.in[0], &dx = c.out[0];
  const int axis = axis_of(a.axis, dx.rank);
  const int64_t row = row_bytes(dx, axis), size = row_bytes(dy, axis),
                first = a.begin * row_bytes(dx, axis + 1);
  const int64_t unit = unit_of(row | size | first);
  with_unit(unit, [&](auto zero) {
    using U = decltype(zero);
    U* const to = data<U>(dx);
    const U* const from = data<U>(dy);
    for_stretches(dx.size(0, axis), row / unit, [&](int64_t r, int64_t rows) {
      const int64_t n = rows * (row / unit);
      launch(c, paste_kernel<U>, blocks_for(c, n), kThreads, 0, to + r * (row / unit), Divisor(row / unit),
             from + r * (size / unit), first / unit, size / unit, n);
    });
  });
}

}  // namespace

void copy_rows(const Call& c, char* to, int64_t to_pitch, const char* from, int64_t from_pitch, int64_t width,
               int64_t rows) {
  if (rows == 1) to_pitch = from_pitch = width;  // never used
  if (to_pitch == width && from_pitch == width) {
    width *= rows;
    to_pitch = from_pitch = width;
    rows = 1;
  }
  const auto places =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from));
  const int64_t unit = unit_of(places | to_pitch | from_pitch | width), units = width / unit;
  with_unit(unit, [&](auto zero) {
    using U = decltype(zero);
    for (int64_t at = 0; at < units; at += kMostItems) {  // rows are longer than that where there is but one
      const int64_t part = least(kMostItems, units - at);
      for_stretches(rows, part, [&](int64_t r, int64_t count) {
        launch(c, copy_kernel<U>, blocks_for(c, count * part), kThreads, 0,
               reinterpret_cast<U*>(to + r * to_pitch) + at, to_pitch / unit,
               reinterpret_cast<const U*>(from + r * from_pitch) + at, from_pitch / unit, Divisor(part),
               count * part);
      });
    }
  });
}

extern const Kernel concat{&plan_nothing, &run_concat};
extern const Kernel slice{&plan_nothing, &run_slice};
extern const Kernel slice_grad{&plan_nothing, &run_slice_grad};
extern const Kernel reshape{&plan_nothing, &run_reshape};
extern const Kernel stop_gradient{&plan_nothing, &run_reshape};

}  // namespace dl::DL_ISA
