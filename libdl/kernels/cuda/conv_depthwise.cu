// Depthwise convolutions of the blocked form: a thread computes one pack of channels of kAtOnce places in a row, so that it
// loads the weights of a tap once for all of them. Phase 0 turns the weights to (tap, channel). The gradient of the weight
// goes by parts of the places, which are added up in their order.
#include "kernels/cuda/conv_form.h"

namespace dl::DL_ISA {
namespace {

constexpr int kAtOnce = 4;

// to (taps, padded) = w (channels, taps) transposed, zero behind the last channel.
__global__ void turn_kernel(const Floats w, float* to, int channels, int taps, int padded) {
  for (int64_t i = thread_index(); i < int64_t{taps} * padded; i += thread_count()) {
    const auto tap = static_cast<int>(i / padded), c = static_cast<int>(i - int64_t{tap} * padded);
    to[i] = c < channels ? w.one(int64_t{c} * taps + tap) : 0;
  }
}

// How the threads go over the places: (image, block, row, run of columns, pack) of each residue by the strides.
struct Places {
  Divisor by_packs, by_runs, by_rows, by_blocks;
  int64_t threads;
};

template <class T>
__global__ void __launch_bounds__(kThreads, sizeof(T) == 4 ? 2 : 3)  // registers enough
    depthwise_kernel(const T* __restrict__ x, const float* __restrict__ weights, const Picture picture,
                     const Sweep s, const Places p, const Output out) {
  constexpr int kPack = Pack<T>::kCount;
  const int64_t index = thread_index();
  if (index >= p.threads) return;
  const int residue = blockIdx.y;
  const auto item = static_cast<int>(index);
  const int runs = p.by_packs(item), pack = item - runs * static_cast<int>(p.by_packs.d);
  const int rows = p.by_runs(runs), first = (runs - rows * static_cast<int>(p.by_runs.d)) * kAtOnce;
  const int blocks = p.by_rows(rows), row = rows - blocks * static_cast<int>(p.by_rows.d);
  const int image = p.by_blocks(blocks), block = blocks - image * picture.blocks;
  const int channel = block * picture.lanes + pack * kPack, padded = picture.blocks * picture.lanes;
  const Taps v = s.rows(residue), l = s.columns(residue);
  const T* from = x + image * picture.image + block * picture.block + pack * kPack;
  float sums[kAtOnce][kPack] = {};
  for (int a = 0; a < v.count; ++a) {
    const int i = row * s.v.step() + v.base + a * v.reach;
    if (static_cast<unsigned>(i) >= static_cast<unsigned>(s.h)) continue;
    const float* w = weights + ((v.first + a * v.step) * s.l.kernel + l.first) * int64_t{padded} + channel;
    for (int b = 0; b < l.count; ++b, w += l.step * padded) {
      float wv[kPack];
#pragma unroll
      for (int e = 0; e < kPack; e += 4) load4(w + e, reinterpret_cast<float(&)[4]>(wv[e]));
#pragma unroll
      for (int q = 0; q < kAtOnce; ++q) {
        const int j = (first + q) * s.l.step() + l.base + b * l.reach;
        if (static_cast<unsigned>(j) >= static_cast<unsigned>(s.w)) continue;
        const Pack<T> u = load_pack(from + (int64_t{i} * s.w + j) * picture.lanes);
#pragma unroll
        for (int e = 0; e < kPack; ++e) sums[q][e] = fmaf(to_float(u.v[e]), wv[e], sums[q][e]);
      }
    }
  }
  const auto columns = static_cast<int>(s.by_columns.d), places = static_cast<int>(s.by_places.d);
#pragma unroll
  for (int q = 0; q < kAtOnce; ++q) {
    if (first + q >= columns) continue;
    const int64_t at = out.place(residue, image * places + row * columns + first + q);
    if (at < 0) continue;
#pragma unroll
    for (int e = 0; e < kPack; e += 4)
      out.put_four(0, at, channel + e, reinterpret_cast<float(&)[4]>(sums[q][e]));
  }
}

// All channels are one group here.
Convolution as_one_group(Convolution v) {
  v.s.groups = 1;
  return v;
}

template <class T>
void convolve(const Call& c, const Convolution& v, const float* weights) {
  const Sweep s = sweep_of(v);
  const Output out = output_of(v, s);
  const Picture picture = picture_of(v.x);
  const int64_t packs = picture.lanes / Pack<T>::kCount, rows = s.by_places.d / s.by_columns.d;
  const int64_t runs = ceil_div(s.by_columns.d, kAtOnce);
  const Places p = {Divisor(packs), Divisor(runs), Divisor(rows), Divisor(picture.blocks),
                    v.s.n * picture.blocks * rows * runs * packs};
  const dim3 grid(as_unsigned(ceil_div(p.threads, kThreads)), as_unsigned(s.problems()));
  launch(c, depthwise_kernel<T>, grid, kThreads, 0, data<T>(v.x), weights, picture, s, p, out);
}

// ---- gradient of the weight ------------------------------------------------------------------------------------------

constexpr int kTapsAtOnce = 3;
constexpr int64_t kBlocksOfParts = 1056,
                  kLeastPlaces = 64;  // blocks that fill a device; places of a part a thread row

struct WeightGrid {
  ConvShape s;
  int64_t padded, packs, lanes, places;  // lanes: packs that stand side by side in a block of threads
  int64_t pack_groups, tap_groups, parts;

  explicit WeightGrid(const Call& c)
      : s(conv_shape(c.in[0], c.out[0], c.in[1], *static_cast<const Conv2dGradAttrs*>(c.attrs))) {
    padded = padded_channels(c.in[0]);
    packs = padded / pack_of(c.in[0].type);
    lanes = 1;
    while (lanes < packs && lanes < kWarpLanes) lanes *= 2;
    places = s.n * s.oh * s.ow;
    pack_groups = ceil_div(packs, lanes);
    tap_groups = ceil_div(s.taps(), kTapsAtOnce);
    parts = ceil_div(kBlocksOfParts, pack_groups * tap_groups);
    const int64_t most = ceil_div(places, kThreads / lanes * kLeastPlaces);
    if (parts > most) parts = most;
    if (parts < 1) parts = 1;
  }
};

struct WeightArgs {
  int h, w, kw, taps, sh, sw, dh, dw, pt, pl;
  int places, part, lanes, packs, padded;
  Divisor by_places, by_columns;
  Picture x, dy;
};

// parts (part, tap, padded) from x and dy. A block takes `lanes` packs of channels, a group of taps and a part of the places,
// of which each of its rows of threads takes every so-manieth.
template <class T>
__global__ void __launch_bounds__(kThreads)
    depthwise_weight_kernel(const T* __restrict__ x, const T* __restrict__ dy, float* parts,
                            const WeightArgs a) {
  constexpr int kPack = Pack<T>::kCount;
  const int rows = kThreads / a.lanes, lane = threadIdx.x % a.lanes, row = threadIdx.x / a.lanes;
  const int pack = blockIdx.x * a.lanes + lane, tap0 = blockIdx.y * kTapsAtOnce;
  const int end = smaller(a.places, (blockIdx.z + 1) * a.part);
  const int64_t x_channel = a.x.channel(smaller(pack, a.packs - 1) * kPack),
                dy_channel = a.dy.channel(smaller(pack, a.packs - 1) * kPack);
  int tap_row[kTapsAtOnce], tap_column[kTapsAtOnce];
#pragma unroll
  for (int t = 0; t < kTapsAtOnce; ++t) {
    tap_row[t] = tap0 + t < a.taps ? (tap0 + t) / a.kw * a.dh - a.pt : -(1 << 30);
    tap_column[t] = (tap0 + t) % a.kw * a.dw - a.pl;
  }
  float sums[kTapsAtOnce][kPack] = {};
  for (int m = blockIdx.z * a.part + row; m < end; m += rows) {
    const int image = a.by_places(m), rest = m - image * static_cast<int>(a.by_places.d);
    const int i = a.by_columns(rest), j = rest - i * static_cast<int>(a.by_columns.d);
    const Pack<T> d = load_pack(dy + image * a.dy.image + int64_t{rest} * a.dy.lanes + dy_channel);
    const T* from = x + image * a.x.image + x_channel;
#pragma unroll
    for (int t = 0; t < kTapsAtOnce; ++t) {
      const int r = i * a.sh + tap_row[t], c = j * a.sw + tap_column[t];
      if (static_cast<unsigned>(r) >= static_cast<unsigned>(a.h) ||
          static_cast<unsigned>(c) >= static_cast<unsigned>(a.w))
        continue;
      const Pack<T> u = load_pack(from + (int64_t{r} * a.w + c) * a.x.lanes);
#pragma unroll
      for (int e = 0; e < kPack; ++e) sums[t][e] = fmaf(to_float(u.v[e]), to_float(d.v[e]), sums[t][e]);
    }
  }
  float* const shared = shared_memory<float>();  // (tap, element, row, lane)
#pragma unroll
  for (int t = 0; t < kTapsAtOnce; ++t)
#pragma unroll
    for (int e = 0; e < kPack; ++e) shared[(t * kPack + e) * kThreads + threadIdx.x] = sums[t][e];
  __syncthreads();
  for (int o = threadIdx.x; o < kTapsAtOnce * kPack * a.lanes; o += kThreads) {
    const int te = o / a.lanes, l = o % a.lanes, t = te / kPack, e = te % kPack;
    const int to = blockIdx.x * a.lanes + l;
    if (tap0 + t >= a.taps || to >= a.packs) continue;
    float sum = 0;
    for (int r = 0; r < rows; ++r) sum += shared[te * kThreads + r * a.lanes + l];
    parts[(int64_t{blockIdx.z} * a.taps + tap0 + t) * a.padded + to * kPack + e] = sum;
  }
}

template <class T>
void weight_parts(const Call& c, const WeightGrid& g) {
  const ConvShape& s = g.s;
  const WeightArgs a = {.h = static_cast<int>(s.h),
                        .w = static_cast<int>(s.w),
                        .kw = static_cast<int>(s.kw),
                        .taps = static_cast<int>(s.taps()),
                        .sh = static_cast<int>(s.sh),
                        .sw = static_cast<int>(s.sw),
                        .dh = static_cast<int>(s.dh),
                        .dw = static_cast<int>(s.dw),
                        .pt = static_cast<int>(s.pt),
                        .pl = static_cast<int>(s.pl),
                        .places = static_cast<int>(g.places),
                        .part = static_cast<int>(ceil_div(g.places, g.parts)),
                        .lanes = static_cast<int>(g.lanes),
                        .packs = static_cast<int>(g.packs),
                        .padded = static_cast<int>(g.padded),
                        .by_places = Divisor(s.oh * s.ow),
                        .by_columns = Divisor(s.ow),
                        .x = picture_of(c.in[0]),
                        .dy = picture_of(c.in[1])};
  const dim3 grid(as_unsigned(g.pack_groups), as_unsigned(g.tap_groups), as_unsigned(g.parts));
  launch(c, depthwise_weight_kernel<T>, grid, kThreads,
         sizeof(float) * kTapsAtOnce * Pack<T>::kCount * kThreads, data<T>(c.in[0]), data<T>(c.in[1]),
         c.shared, a);
}

void plan_weight(const Call& c, Work& w) {
  const WeightGrid g(c);
  w.phases = 2;
  w.shared = g.parts * g.s.taps() * g.padded;
}

void run_weight(const Call& c, int phase, int64_t, float*) {
  const WeightGrid g(c);
  if (phase == 0) {
    with_float_type(c.in[0].type, [&](auto zero) { weight_parts<decltype(zero)>(c, g); });
    return;
  }
  sum_weight_parts(c,
                   {.parts = c.shared,
                    .count = static_cast<int>(g.parts),
                    .groups = 1,
                    .taps = static_cast<int>(g.s.taps()),
                    .padded = 1,
                    .width = static_cast<int>(g.padded),
                    .n = static_cast<int>(g.s.c),
                    .channels = 1},
                   c.out[0]);
}

}  // namespace

void plan_depthwise(const Convolution& v, Work& w) {
  w.phases = 2;
  w.shared = v.s.taps() * padded_channels(v.x);
}

void run_depthwise(const Call& c, const Convolution& v, int phase) {
  if (phase == 0) {
    const int64_t taps = v.s.taps(), padded = padded_channels(v.x);
    launch(c, turn_kernel, blocks_for(c, taps * padded), kThreads, 0, Floats(v.w), c.shared, v.s.c, taps,
           padded);
  } else {
    with_float_type(v.x.type, [&](auto zero) { convolve<decltype(zero)>(c, as_one_group(v), c.shared); });
  }
}

extern const Kernel conv_depthwise_grad_weight{&plan_weight, &run_weight};

}  // namespace dl::DL_ISA
