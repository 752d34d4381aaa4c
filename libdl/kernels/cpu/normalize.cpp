// normalize: (x - shift) * scale from bytes, integers or floats; cast between element types.
#include "kernels/cpu/vec.h"
#include "kernels/elementwise_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;

typedef uint8_t vb __attribute__((vector_size(DL_VLEN)));

DL_INLINE vf load_floats(const float* p) { return load(p); }
DL_INLINE vf load_floats(const int32_t* p) {
  vi v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, vf);
}
DL_INLINE vf load_floats(const uint8_t* p) {
  vb v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(__builtin_convertvector(v, vi), vf);
}

// Rows of `length` elements that share one shift and scale (per channel), or take them element by element.
struct NormalizeRows {
  int64_t count, length, group, channels;  // channels: 0 where shift and scale run along the row
};
NormalizeRows rows_of(const Call& c) {
  const Arg &x = c.in[0], &shift = c.in[1];
  NormalizeRows r;
  if (x.rank == 0)
    r = {1, 1, 0, 1};
  else if (shift.rank == 0)
    r = {x.dims[0], x.size(1, x.rank), 0, 1};
  else if (shift.rank == 1 && x.rank > 2)
    r = {x.dims[0] * x.dims[1], x.size(2, x.rank), 0, x.dims[1]};
  else
    r = {x.dims[0], x.size(1, x.rank), 0, 0};
  r.group = r.length < kChunk ? kChunk / (r.length > 0 ? r.length : 1) : 1;
  return r;
}

void plan_normalize(const Call& c, Work& w) {
  const NormalizeRows r = rows_of(c);
  w.chunks[0] = (r.count + r.group - 1) / r.group;
}

template <class T>
void normalize_row(const T* x, const float* shift, const float* scale, bool shared, float* y, int64_t n) {
  int64_t j = 0;
  if (shared) {
    const vf a = splat(*shift), b = splat(*scale);
    for (; j + DL_VLEN <= n; j += DL_VLEN) store(y + j, (load_floats(x + j) - a) * b);
    for (; j < n; ++j) y[j] = (static_cast<float>(x[j]) - *shift) * *scale;
    return;
  }
  for (; j + DL_VLEN <= n; j += DL_VLEN)
    store(y + j, (load_floats(x + j) - load(shift + j)) * load(scale + j));
  for (; j < n; ++j) y[j] = (static_cast<float>(x[j]) - shift[j]) * scale[j];
}

template <class T>
void normalize_chunk(const Call& c, int64_t chunk) {
  const NormalizeRows r = rows_of(c);
  const T* x = static_cast<const T*>(c.in[0].data);
  for (int64_t i = chunk * r.group; i < r.count && i < (chunk + 1) * r.group; ++i) {
    const int64_t k = r.channels ? i % r.channels : 0;
    normalize_row(x + i * r.length, c.in[1].f() + k, c.in[2].f() + k, r.channels > 0,
                  c.out[0].f() + i * r.length, r.length);
  }
}

void run_normalize(const Call& c, int, int64_t chunk, float*) {
  if (c.in[0].type == Elem::u8)
    normalize_chunk<uint8_t>(c, chunk);
  else if (c.in[0].type == Elem::i32)
    normalize_chunk<int32_t>(c, chunk);
  else
    normalize_chunk<float>(c, chunk);
}

// Towards zero, held within the range of T; NaN gives 0.
template <class T, class F>
T convert(F v) {
  if constexpr (T(0.5) == T(0) && F(0.5) != F(0)) {
    constexpr int bits = sizeof(T) * 8 - (T(-1) < T(0));
    constexpr F above = F(uint64_t(1) << (bits - 1)) * 2;
    if (!(v == v)) return 0;
    if (v >= above) return static_cast<T>(T(-1) < T(0) ? ~(T(1) << bits) : ~T(0));
    if (v <= (T(-1) < T(0) ? -above : F(0))) return static_cast<T>(T(-1) < T(0) ? T(1) << bits : T(0));
  } else if constexpr (sizeof(T) == 1 && sizeof(F) > 1) {
    return static_cast<T>(v < 0 ? 0 : v > 255 ? 255 : v);
  }
  return static_cast<T>(v);
}

void plan_cast(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

template <class T, class F>
void cast_run(const Call& c, int64_t chunk) {
  const int64_t n = c.out[0].size();
  const F* x = static_cast<const F*>(c.in[0].data);
  T* y = static_cast<T*>(c.out[0].data);
  for (int64_t i = chunk * kChunk; i < n && i < (chunk + 1) * kChunk; ++i) y[i] = convert<T>(x[i]);
}

template <class T>
void cast_from(const Call& c, int64_t chunk) {
  switch (c.in[0].type) {
    case Elem::f32:
      return cast_run<T, float>(c, chunk);
    case Elem::f64:
      return cast_run<T, double>(c, chunk);
    case Elem::i32:
      return cast_run<T, int32_t>(c, chunk);
    case Elem::i64:
      return cast_run<T, int64_t>(c, chunk);
    case Elem::u8:
      return cast_run<T, uint8_t>(c, chunk);
    case Elem::bf16:
    case Elem::f16:
      return;  // live on devices alone
  }
}

void run_cast(const Call& c, int, int64_t chunk, float*) {
  switch (c.out[0].type) {
    case Elem::f32:
      return cast_from<float>(c, chunk);
    case Elem::f64:
      return cast_from<double>(c, chunk);
    case Elem::i32:
      return cast_from<int32_t>(c, chunk);
    case Elem::i64:
      return cast_from<int64_t>(c, chunk);
    case Elem::u8:
      return cast_from<uint8_t>(c, chunk);
    case Elem::bf16:
    case Elem::f16:
      return;
  }
}

}  // namespace

extern const Kernel normalize{&plan_normalize, &run_normalize};
extern const Kernel cast{&plan_cast, &run_cast};

}  // namespace dl::DL_ISA
