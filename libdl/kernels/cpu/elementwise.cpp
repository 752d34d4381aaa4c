// Kernels of the operators that ops.def lists as DL_UNARY and DL_BINARY. Tails use masked access, so an element has
// the same bits wherever it stands.
#include "kernels/elementwise.h"

#include "kernels/cpu/stream.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // floats: 64 KiB in, 64 KiB out

void plan_flat(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

template <class F>
void unary(const Call& c, int, int64_t chunk, float*) {
  const F f = make_fn<F>(c.attrs);
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  const float* x = c.in[0].f();
  float* y = c.out[0].f();
  const bool stream = streams(c.out[0], x);
  int64_t i = chunk * kChunk;
  for (; i + DL_VLEN <= end; i += DL_VLEN) store_either(y + i, f(load(x + i)), stream);
  if (i < end) store_n(y + i, f(load_n(x + i, end - i)), end - i);
  if (stream) stream_fence();
}

template <class F>
void binary(const Call& c, int, int64_t chunk, float*) {
  const F f = make_fn<F>(c.attrs);
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  const float *a = c.in[0].f(), *b = c.in[1].f();
  float* y = c.out[0].f();
  const bool stream = streams(c.out[0], a, b);
  int64_t i = chunk * kChunk;
  for (; i + DL_VLEN <= end; i += DL_VLEN) store_either(y + i, f(load(a + i), load(b + i)), stream);
  if (i < end) store_n(y + i, f(load_n(a + i, end - i), load_n(b + i, end - i)), end - i);
  if (stream) stream_fence();
}

}  // namespace

#define DL_OP(name)
#define DL_UNARY(name) extern const Kernel name{&plan_flat, &unary<name##_fn>};
#define DL_BINARY(name) extern const Kernel name{&plan_flat, &binary<name##_fn>};
#include "kernels/ops.def"

}  // namespace dl::DL_ISA
