// transpose: rows of the output along its last axis are gathered from the input.
#include "kernels/cpu/copy.h"
#include "kernels/slice.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // elements

struct Gather {
  int64_t rows, columns, per_chunk;
  int rank;
  int64_t dims[Dims::kMost], stride[Dims::kMost];  // of the output's axes, in elements of the input

  explicit Gather(const Call& c) : rank(c.out[0].rank) {
    const Dims& perm = static_cast<const TransposeAttrs*>(c.attrs)->perm;
    int64_t own[Dims::kMost], product = 1;
    for (int i = rank; i-- > 0; product *= c.in[0].dims[i]) own[i] = product;
    for (int i = 0; i < rank; ++i) {
      dims[i] = c.out[0].dims[i];
      stride[i] = own[perm.d[i]];
    }
    columns = rank ? dims[rank - 1] : 1;
    rows = c.out[0].size(0, rank ? rank - 1 : 0);
    per_chunk = columns >= kChunk ? 1 : kChunk / (columns ? columns : 1);
  }
  int64_t source(int64_t row) const {  // of the row's first element
    int64_t at = 0;
    for (int i = rank - 1; i-- > 0; row /= dims[i]) at += row % dims[i] * stride[i];
    return at;
  }
};

template <class T>
void gather(const Gather& g, int64_t first, int64_t end, const void* x, void* y) {
  const int64_t step = g.rank ? g.stride[g.rank - 1] : 1;
  for (int64_t r = first; r < end; ++r) {
    const T* from = static_cast<const T*>(x) + g.source(r);
    T* to = static_cast<T*>(y) + r * g.columns;
    for (int64_t i = 0; i < g.columns; ++i) to[i] = from[i * step];
  }
}

void plan_transpose(const Call& c, Work& w) {
  const Gather g(c);
  w.chunks[0] = (g.rows + g.per_chunk - 1) / g.per_chunk;
}

void run_transpose(const Call& c, int, int64_t chunk, float*) {
  const Gather g(c);
  const int64_t first = chunk * g.per_chunk, last = first + g.per_chunk, end = last < g.rows ? last : g.rows;
  switch (elem_size(c.out[0].type)) {
    case 1:
      return gather<uint8_t>(g, first, end, c.in[0].data, c.out[0].data);
    case 4:
      return gather<uint32_t>(g, first, end, c.in[0].data, c.out[0].data);
    case 8:
      return gather<uint64_t>(g, first, end, c.in[0].data, c.out[0].data);
  }
}

}  // namespace

extern const Kernel transpose{&plan_transpose, &run_transpose};

}  // namespace dl::DL_ISA
