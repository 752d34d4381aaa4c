// Kernels of the operators that ops.def lists as DL_BROADCAST (pairs with numpy's stretching), and
// broadcast_to.
#include "kernels/broadcast.h"

#include "kernels/cpu/stream.h"
#include "kernels/elementwise.h"
#include "kernels/reduce_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // output elements

void plan_flat(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

template <int kStepA, int kStepB, class F>
DL_INLINE void pair_row(F f, const float* a, const float* b, float* y, int64_t n, bool stream = false) {
  const vf a0 = splat(kStepA ? 0.f : *a), b0 = splat(kStepB ? 0.f : *b);
  int64_t j = 0;
  for (; j + DL_VLEN <= n; j += DL_VLEN)
    store_either(y + j, f(kStepA ? load(a + j) : a0, kStepB ? load(b + j) : b0), stream);
  if (const int64_t r = n - j)
    store_n(y + j, f(kStepA ? load_n(a + j, r) : a0, kStepB ? load_n(b + j, r) : b0), r);
}

// Calls row(at, r, from, to) for the part of each row r that lies in this chunk of the output; at: offsets of its operands.
template <class R, class Row>
DL_INLINE void rows_of_chunk(const R& rows, int64_t chunk, int64_t total, Row row) {
  int64_t i = chunk * kChunk;
  const int64_t end = i + kChunk < total ? i + kChunk : total;
  int64_t r = i / rows.inner;
  for (auto p = rows.position(r); i < end; ++r, rows.advance(p)) {
    const int64_t from = i - r * rows.inner, left = end - r * rows.inner,
                  to = rows.inner < left ? rows.inner : left;
    row(p.at, r, from, to);
    i = r * rows.inner + to;
  }
}

template <class F>
void pair(const Call& c, int, int64_t chunk, float*) {
  const F f{};
  const Arg* const in[2] = {&c.in[0], &c.in[1]};
  const Rows<2> rows = fold_rows<2>(c.out[0], in);
  const float *a = c.in[0].f(), *b = c.in[1].f();
  float* y = c.out[0].f();
  const bool stream = (rows.count == 1 || rows.inner % DL_VLEN == 0) && streams(c.out[0], a, b);
  rows_of_chunk(rows, chunk, c.out[0].size(), [&](const int64_t* at, int64_t r, int64_t from, int64_t to) {
    const float *pa = a + at[0] + rows.step[0] * from, *pb = b + at[1] + rows.step[1] * from;
    float* py = y + r * rows.inner + from;
    if (rows.step[0] && rows.step[1])
      pair_row<1, 1>(f, pa, pb, py, to - from, stream);
    else if (rows.step[0])
      pair_row<1, 0>(f, pa, pb, py, to - from);
    else
      pair_row<0, 1>(f, pa, pb, py, to - from);
  });
  if (stream) stream_fence();
}

void stretch(const Call& c, int, int64_t chunk, float*) {
  const Arg x = with_inserted_axes(c.in[0], c.out[0], static_cast<const BroadcastToAttrs*>(c.attrs)->axes);
  const Arg* const in[1] = {&x};
  const Rows<1> rows = fold_rows<1>(c.out[0], in);
  const bool stream = rows.inner % DL_VLEN == 0 && streams(c.out[0]);
  rows_of_chunk(rows, chunk, c.out[0].size(), [&](const int64_t* at, int64_t r, int64_t from, int64_t to) {
    const float* px = x.f() + at[0] + rows.step[0] * from;
    float* py = c.out[0].f() + r * rows.inner + from;
    if (stream)
      for (int64_t j = 0; j < to - from; j += DL_VLEN)
        store_stream(py + j, rows.step[0] ? load(px + j) : splat(*px));
    else if (rows.step[0])
      __builtin_memcpy(py, px, sizeof(float) * static_cast<uint64_t>(to - from));
    else
      for (int64_t j = 0; j < to - from; ++j) py[j] = *px;
  });
  if (stream) stream_fence();
}

}  // namespace

extern const Kernel broadcast_to{&plan_flat, &stretch};

#define DL_OP(name)
#define DL_BROADCAST(name) extern const Kernel name{&plan_flat, &pair<name##_fn>};
#include "kernels/ops.def"

}  // namespace dl::DL_ISA
