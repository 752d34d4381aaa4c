// conv2d_grad_weight: the windows of x, transposed, times dy: a product whose k runs over all pixels. It is computed in
// parts, which are added up in their order. That of a 1x1 convolution of channels-last images is a plain product: by
// cublasLt where it can. Depthwise ones of the blocked form go to conv_depthwise.cu.
#include "kernels/cuda/blas.h"
#include "kernels/cuda/conv_load.h"

namespace dl::DL_ISA {
namespace {

const Conv2dGradAttrs& attrs_of(const Call& c) { return *static_cast<const Conv2dGradAttrs*>(c.attrs); }

int pack_size(const Arg& a) { return is_blocked(a) ? pack_of(a.type) : 1; }

// The windows of x (taps, channels of a group), or dy as windows of one tap.
Sweep sweep_of(const ConvShape& s, const Arg& a, bool is_dy) {
  const int64_t channels = is_dy ? s.kg() : s.cg(), pack = pack_size(a);
  Sweep w;
  w.v = is_dy ? Axis{1, 1, 1, 0, 1, false} : Axis{static_cast<int>(s.kh),
                                                  static_cast<int>(s.sh),
                                                  static_cast<int>(s.dh),
                                                  static_cast<int>(s.pt),
                                                  1,
                                                  false};
  w.l = is_dy ? Axis{1, 1, 1, 0, 1, false} : Axis{static_cast<int>(s.kw),
                                                  static_cast<int>(s.sw),
                                                  static_cast<int>(s.dw),
                                                  static_cast<int>(s.pl),
                                                  1,
                                                  false};
  w.h = static_cast<int>(a.dims[2]);
  w.w = static_cast<int>(a.dims[3]);
  w.groups = static_cast<int>(s.groups);
  w.channels = static_cast<int>(channels);
  w.padded = static_cast<int>(ceil_div(channels, pack) * pack);
  w.m = static_cast<int>(s.n * s.oh * s.ow);
  w.step_h = w.step_w = 1;
  w.by_places = Divisor(s.oh * s.ow);
  w.by_columns = Divisor(s.ow);
  return w;
}

struct Gradient {
  ConvShape s;
  Sweep x, dy;
  GemmGrid grid;
  Output out;  // (part, group, (tap, padded channel), output channel)

  explicit Gradient(const Call& c)
      : s(conv_shape(c.in[0], c.out[0], c.in[1], attrs_of(c))),
        x(sweep_of(s, c.in[0], false)),
        dy(sweep_of(s, c.in[1], true)) {
    out.m = static_cast<int>(x.depth());
    out.n = static_cast<int>(s.kg());
    out.problems = s.groups;
    with_float_type(c.in[0].type, [&](auto zero) {
      grid = gemm_grid<decltype(zero)>(out.m, out.n, x.m, s.groups, true, kLongSum);
    });
  }
};

template <class T, bool kChannels>
PixelSource<T, kChannels> source(const Arg& a, const Sweep& s) {
  const bool whole =
      kChannels && lanes_of(a) % kPackSize<T> == 0 && (s.groups == 1 || s.channels % kPackSize<T> == 0);
  return {data<T>(a), picture_of(a), s, Divisor(s.padded), Divisor(s.l.kernel), whole};
}

template <class T>
void multiply(const Call& c, const Gradient& g) {
  Output out = g.out;
  out.parts = c.shared;
  const Arg &x = c.in[0], &dy = c.in[1];
  if (is_blocked(x))
    launch_gemm(c, g.grid, source<T, true>(x, g.x), source<T, true>(dy, g.dy), out);
  else if (is_blocked(dy))
    launch_gemm(c, g.grid, source<T, false>(x, g.x), source<T, true>(dy, g.dy), out);
  else
    launch_gemm(c, g.grid, source<T, false>(x, g.x), source<T, false>(dy, g.dy), out);
}

// A block takes 32 x 32 of dw: neighbouring n are read, neighbouring (channel, tap) written.
constexpr int kSumTile = 32, kSumRows = 8;
__global__ void sum_parts_kernel(const WeightParts w, const Parts parts, Floats dw) {
  __shared__ float tile[kSumTile][kSumTile + 1];
  const int q0 = blockIdx.x * kSumTile, n0 = blockIdx.y * kSumTile, group = blockIdx.z;
  const int x = threadIdx.x % kSumTile, y = threadIdx.x / kSumTile, wide = w.channels * w.taps;
  for (int i = y; i < kSumTile; i += kSumRows) {
    const int q = q0 + i, c = q / w.taps, tap = q - c * w.taps;
    if (q < wide && n0 + x < w.n)
      tile[i][x] = parts.sum(((int64_t{group} * w.taps + tap) * w.padded + c) * w.width + n0 + x);
  }
  __syncthreads();
  for (int i = y; i < kSumTile; i += kSumRows)
    if (q0 + x < wide && n0 + i < w.n) dw.put((int64_t{group} * w.n + n0 + i) * wide + q0 + x, tile[x][i]);
}

bool depthwise(const Call& c) {
  return is_depthwise(attrs_of(c).algorithm, conv_shape(c.in[0], c.out[0], c.in[1], attrs_of(c)));
}

bool by_blas(const Call& c, const Gradient& g) {
  const Arg &x = c.in[0], &dy = c.in[1];
  if (!queue_of(c).blas || !g.s.pointwise() || g.s.groups != 1 || !is_blocked(x) || !is_blocked(dy))
    return false;
  if (x.dims[1] != 1 || dy.dims[1] != 1 || x.type != dy.type) return false;
  return blas_matmul(c, {.m = g.s.k,
                         .n = g.s.c,
                         .k = g.x.m,
                         .type = x.type,
                         .out = c.out[0].type,
                         .a = dy.data,
                         .b = x.data,
                         .lda = lanes_of(dy),
                         .ldb = lanes_of(x),
                         .ldd = g.s.c,
                         .trans_a = true,
                         .d = c.out[0].data});
}

void plan(const Call& c, Work& w) {
  if (depthwise(c)) return conv_depthwise_grad_weight.plan(c, w);
  const Gradient g(c);
  w.shared = g.grid.parts * g.out.part_size();
}

void run(const Call& c, int phase, int64_t chunk, float* local) {
  if (depthwise(c)) return conv_depthwise_grad_weight.run(c, phase, chunk, local);
  const Gradient g(c);
  if (by_blas(c, g)) return;
  with_float_type(c.in[0].type, [&](auto zero) { multiply<decltype(zero)>(c, g); });
  sum_weight_parts(c,
                   {.parts = c.shared,
                    .count = g.grid.parts,
                    .groups = g.x.groups,
                    .taps = static_cast<int>(g.s.taps()),
                    .padded = g.x.padded,
                    .width = static_cast<int>(ceil_div(g.out.n, 4) * 4),
                    .n = g.out.n,
                    .channels = g.x.channels},
                   c.out[0]);
}

}  // namespace

void sum_weight_parts(const Call& c, const WeightParts& p, const Arg& dw) {
  const int64_t size = int64_t{p.groups} * p.taps * p.padded * p.width;
  const dim3 grid(as_unsigned(ceil_div(int64_t{p.channels} * p.taps, kSumTile)),
                  as_unsigned(ceil_div(p.n, kSumTile)), as_unsigned(p.groups));
  launch(c, sum_parts_kernel, grid, kSumTile * kSumRows, 0, p, folded(c, p.parts, size, p.count), Floats(dw));
}

extern const Kernel conv2d_grad_weight{&plan, &run};

}  // namespace dl::DL_ISA
