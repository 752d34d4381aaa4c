// conv2d_grad_weight: dw = dy^T times the windows of x, a product whose k runs over all pixels. It is computed in parts
// (phase 0), which phase 1 adds up in their order. Depthwise ones of the blocked form go to conv_depthwise.cu.
#include "kernels/cuda/conv_load.h"

namespace dl::DL_ISA {
namespace {

const Conv2dGradAttrs& attrs_of(const Call& c) { return *static_cast<const Conv2dGradAttrs*>(c.attrs); }

int pack_size(const Arg& a) {
  return !is_blocked(a) ? 1 : a.type == Elem::f32 ? kPackSize<float> : kPackSize<bf16>;
}

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
  w.by_places = Divider(s.oh * s.ow);
  w.by_columns = Divider(s.ow);
  return w;
}

struct Gradient {
  ConvShape s;
  Sweep x, dy;
  GemmGrid grid;
  Output out;  // (part, group, output channel, (tap, padded channel))

  explicit Gradient(const Call& c)
      : s(conv_shape(c.in[0], c.out[0], c.in[1], attrs_of(c))),
        x(sweep_of(s, c.in[0], false)),
        dy(sweep_of(s, c.in[1], true)) {
    out.m = static_cast<int>(s.kg());
    out.n = static_cast<int>(x.depth());
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
  return {data<T>(a), picture_of(a), s, Divider(s.padded), Divider(s.l.kernel), whole};
}

template <class T>
void multiply(const Call& c, const Gradient& g) {
  Output out = g.out;
  out.parts = c.shared;
  const Arg &x = c.in[0], &dy = c.in[1];
  if (is_blocked(x))
    launch_gemm(c, g.grid, source<T, true>(dy, g.dy), source<T, true>(x, g.x), out);
  else if (is_blocked(dy))
    launch_gemm(c, g.grid, source<T, true>(dy, g.dy), source<T, false>(x, g.x), out);
  else
    launch_gemm(c, g.grid, source<T, false>(dy, g.dy), source<T, false>(x, g.x), out);
}

// A block sums 32 neighbours: each of its warps every eighth part, then the warps' sums.
constexpr int kSumWarps = 8;
__global__ void sum_parts_kernel(const WeightParts w, Floats dw) {
  __shared__ float sums[kSumWarps][kWarpLanes];
  const int lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
  const int64_t i = int64_t{blockIdx.x} * kWarpLanes + lane, size = w.rows * w.width;
  float sum = 0;
  if (i < size)
#pragma unroll 4
    for (int p = warp; p < w.count; p += kSumWarps) sum += w.parts[p * size + i];
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || i >= size) return;
#pragma unroll
  for (int k = 1; k < kSumWarps; ++k) sum += sums[k][lane];
  const int64_t row = i / w.width;
  const int column = static_cast<int>(i - row * w.width), tap = column / w.padded,
            channel = column - tap * w.padded;
  if (tap < w.taps && channel < w.channels) dw.put((row * w.channels + channel) * w.taps + tap, sum);
}

void plan(const Call& c, Work& w) {
  if (attrs_of(c).algorithm == ConvAlgorithm::depthwise) return conv_depthwise_grad_weight.plan(c, w);
  const Gradient g(c);
  w.phases = 2;
  w.shared = g.grid.parts * g.out.part_size();
}

void run(const Call& c, int phase, int64_t chunk, float* local) {
  if (attrs_of(c).algorithm == ConvAlgorithm::depthwise)
    return conv_depthwise_grad_weight.run(c, phase, chunk, local);
  const Gradient g(c);
  if (phase == 0) {
    with_float_type(c.in[0].type, [&](auto zero) { multiply<decltype(zero)>(c, g); });
    return;
  }
  sum_weight_parts(c,
                   {.parts = c.shared,
                    .rows = g.s.k,
                    .count = g.grid.parts,
                    .width = static_cast<int>(ceil_div(g.out.n, 4) * 4),
                    .channels = g.x.channels,
                    .padded = g.x.padded,
                    .taps = static_cast<int>(g.s.taps())},
                   c.out[0]);
}

}  // namespace

void sum_weight_parts(const Call& c, const WeightParts& p, const Arg& dw) {
  launch(c, sum_parts_kernel, as_unsigned(ceil_div(p.rows * p.width, kWarpLanes)), kSumWarps * kWarpLanes, 0,
         p, Floats(dw));
}

extern const Kernel conv2d_grad_weight{&plan, &run};

}  // namespace dl::DL_ISA
