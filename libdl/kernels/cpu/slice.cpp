// concat, slice and slice_grad: along one axis, a tensor is rows of bytes, and each kernel pastes pieces of rows. A
// chunk is a range of bytes of the output.
#include "kernels/slice.h"

#include "kernels/cpu/copy.h"

namespace dl::DL_ISA {
namespace {

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

int axis_of(int64_t axis, int rank) { return static_cast<int>(axis < 0 ? axis + rank : axis); }

// Bytes that follow each other from `axis` on.
int64_t row_bytes(const Arg& a, int axis) { return a.size(axis, a.rank) * elem_size(a.type); }

// Calls piece(row, at, n) for the parts of rows of `row` bytes that make up this chunk of the output.
template <class F>
void for_each_piece(const Arg& out, int64_t row, int64_t chunk, F piece) {
  const int64_t end = min(size_in_bytes(out), (chunk + 1) * kCopyChunk);
  for (int64_t i = chunk * kCopyChunk; i < end;) {
    const int64_t n = min(row - i % row, end - i);
    piece(i / row, i % row, n);
    i += n;
  }
}

void plan_copy(const Call& c, Work& w) { w.chunks[0] = copy_chunks(c.out[0]); }

void run_concat(const Call& c, int, int64_t chunk, float*) {
  const Arg& y = c.out[0];
  const int axis = axis_of(static_cast<const ConcatAttrs*>(c.attrs)->axis, y.rank);
  const int64_t row = row_bytes(y, axis);
  for_each_piece(y, row, chunk, [&](int64_t r, int64_t at, int64_t n) {
    int64_t first = 0;  // of this input, within a row
    for (int i = 0; i < c.n_in; ++i) {
      const int64_t size = row_bytes(c.in[i], axis), from = max(at, first), to = min(at + n, first + size);
      if (from < to)
        copy_bytes(bytes(y) + r * row + from, bytes(c.in[i]) + r * size + from - first, to - from);
      first += size;
    }
  });
}

void run_slice(const Call& c, int, int64_t chunk, float*) {
  const SliceAttrs& a = *static_cast<const SliceAttrs*>(c.attrs);
  const Arg &x = c.in[0], &y = c.out[0];
  const int axis = axis_of(a.axis, x.rank);
  const int64_t extent = x.dims[axis], begin = min(extent, max(0, a.begin < 0 ? a.begin + extent : a.begin));
  const int64_t row = row_bytes(y, axis), source = row_bytes(x, axis), skip = begin * row_bytes(x, axis + 1);
  for_each_piece(y, row, chunk, [&](int64_t r, int64_t at, int64_t n) {
    copy_bytes(bytes(y) + r * row + at, bytes(x) + r * source + skip + at, n);
  });
}

void run_slice_grad(const Call& c, int, int64_t chunk, float*) {
  const SliceGradAttrs& a = *static_cast<const SliceGradAttrs*>(c.attrs);
  const Arg &dy = c.in[0], &dx = c.out[0];
  const int axis = axis_of(a.axis, dx.rank);
  const int64_t row = row_bytes(dx, axis), size = row_bytes(dy, axis),
                first = a.begin * row_bytes(dx, axis + 1);
  for_each_piece(dx, row, chunk, [&](int64_t r, int64_t at, int64_t n) {
    char* to = bytes(dx) + r * row;
    const int64_t from = min(at + n, max(at, first)), end = max(from, min(at + n, first + size));
    zero_bytes(to + at, from - at);
    if (from < end) copy_bytes(to + from, bytes(dy) + r * size + from - first, end - from);
    zero_bytes(to + end, at + n - end);
  });
}

}  // namespace

extern const Kernel concat{&plan_copy, &run_concat};
extern const Kernel slice{&plan_copy, &run_slice};
extern const Kernel slice_grad{&plan_copy, &run_slice_grad};

}  // namespace dl::DL_ISA
