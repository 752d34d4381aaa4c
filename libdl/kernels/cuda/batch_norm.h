#pragma once
// How batch norm sees its tensors on the device, and the sums over the values of a channel. Two forms:
//   rows    (images, blocks, plane, lanes): channels side by side, as in blocked images (channels-last where there is one
//           block) and in (N, C). A thread has the channels of one pack and walks down the rows.
//   planes  (images, channels, plane): a block has one channel and walks along its planes.
// The values of a channel are cut into parts by shape alone, a block for each part; a second kernel joins the parts' sums.
// The last pass over the tensors is cut finer and goes from the end to the start: what the sums have read last is in the
// cache still.
#include "kernels/cuda/items.h"

namespace dl::DL_ISA {

// Blocks of a launch: whole rounds of a device with 132 processors that take 1, 2 or 3 each.
constexpr int64_t kSumBlocks = 132 * 6, kPassBlocks = 132 * 24;

// Parts of `total` turns of all threads' rows: enough to fill a device with the others, long enough to be worth their
// join, short enough for sums in float (`most` turns).
inline int norm_parts(int64_t total, int64_t at_once, int64_t others, int64_t blocks, int64_t most) {
  constexpr int64_t kLeast = 8;
  int64_t parts = blocks / others;
  if (parts > ceil_div(total, at_once * kLeast)) parts = ceil_div(total, at_once * kLeast);
  if (parts < ceil_div(total, at_once * most)) parts = ceil_div(total, at_once * most);
  return static_cast<int>(parts < 1 ? 1 : parts > 65535 ? 65535 : parts);
}

struct NormForm {
  bool planes;
  int items;                   // neighbours that a thread takes at once: those of 16 bytes, or 1
  int64_t channels;            // that count
  int64_t total;               // rows; planes: groups of items in a channel
  int64_t plane;               // rows of a block in an image; planes: groups of items
  int blocks, lanes;           // of the rows form
  int packs;                   // groups of items in a row
  int columns, height, tiles;  // a block takes `columns` packs of `height` rows at once; tiles of columns
  int parts;
  int64_t per_part;  // of total

  // Channels that sums are kept for, those behind the last of a block among them.
  DL_HD int64_t width() const { return planes ? channels : int64_t{blocks} * lanes; }
  DL_HD int64_t begin(int64_t part) const { return part < parts ? part * per_part : total; }
  DL_HD int64_t terms(int64_t part) const {  // of a channel
    return (begin(part + 1) - begin(part)) * (planes ? items : 1);
  }
  int64_t all_terms() const { return total * (planes ? items : 1); }
  int64_t others() const { return planes ? channels : int64_t{tiles} * blocks; }  // blocks of the same part
  dim3 grid() const { return {as_unsigned(others()), as_unsigned(parts), 1}; }
  NormForm cut(int64_t wanted) const {  // for so many blocks
    NormForm f = *this;
    f.per_part = ceil_div(
        total, norm_parts(total, planes ? kThreads : height, others(), wanted, planes ? 512 / items : 512));
    f.parts = static_cast<int>(ceil_div(total, f.per_part));
    return f;
  }
  // Where a row of a block begins.
  DL_HD int64_t row_at(int64_t row, int block) const {
    if (blocks == 1) return row * lanes;
    const int64_t image = row / plane;
    return ((image * blocks + block) * plane + row - image * plane) * lanes;
  }
};

// Of a tensor with elements.
inline NormForm norm_form(const Arg& x, int64_t channels, bool blocked) {
  NormForm f = {};
  const int64_t pack = pack_of(x.type), plane = x.size(2, x.rank);
  f.channels = channels;
  f.planes = !blocked && plane > 1;
  if (f.planes) {
    f.items = static_cast<int>(plane % pack == 0 ? pack : 1);
    f.plane = plane / f.items;
    f.total = x.dims[0] * f.plane;
    return f.cut(kSumBlocks);
  }
  f.blocks = blocked ? static_cast<int>(x.dims[1]) : 1;
  f.lanes = static_cast<int>(blocked ? x.dims[4] : channels);
  f.plane = blocked ? x.dims[2] * x.dims[3] : 1;
  f.total = x.dims[0] * f.plane;
  f.items = static_cast<int>(f.lanes % pack == 0 ? pack : 1);
  f.packs = f.lanes / f.items;
  f.tiles = static_cast<int>(ceil_div(f.packs, kWarpLanes));
  f.columns = static_cast<int>(ceil_div(f.packs, f.tiles));
  f.height = static_cast<int>(kThreads) / f.columns;
  return f.cut(kSumBlocks);
}

// Calls f(zero of x's type, Count<form.items>).
template <class F>
void with_norm_items(const Arg& x, const NormForm& form, F&& f) {
  with_items(x.type, form.items == 1 ? 1 : 8, f);
}

// ---- walks -----------------------------------------------------------------------------------------------------------

// What a thread of the rows form has: `items` channels from `channel` on, of which `left` count, at lane `lane` of the rows
// of `block`; of each `height` rows the one `row`.
struct RowsPlace {
  int block, lane, row, channel;
  int64_t left;
  bool active;
  __device__ explicit RowsPlace(const NormForm& f) {
    const int t = static_cast<int>(threadIdx.x), b = static_cast<int>(blockIdx.x);
    const int pack = b % f.tiles * f.columns + t % f.columns;
    block = b / f.tiles;
    row = t / f.columns;
    lane = pack * f.items;
    channel = block * f.lanes + lane;
    left = f.channels - channel;
    active = row < f.height && pack < f.packs;
  }
};

// Walks the groups of items of a channel that a thread of the planes form has in its part.
class PlanesWalk {
 public:
  __device__ PlanesWalk(const NormForm& f, unsigned part)
      : plane_(f.plane), channels_(f.channels), items_(f.items), end_(f.begin(part + 1)) {
    index_ = f.begin(part) + threadIdx.x;
    image_ = index_ / plane_;
    at_ = index_ - image_ * plane_;
    images_ = kThreads / plane_;
    steps_ = kThreads - images_ * plane_;
  }
  __device__ int64_t index() const { return index_; }
  __device__ int64_t end() const { return end_; }
  // Where the element of the next group stands; to be called in the order of the walk.
  __device__ int64_t next() {
    const int64_t here = ((image_ * channels_ + blockIdx.x) * plane_ + at_) * items_;
    image_ += images_;
    at_ += steps_;
    if (at_ >= plane_) at_ -= plane_, ++image_;
    return here;
  }

 private:
  int64_t plane_, channels_;
  int items_;
  int64_t index_, end_, image_, at_, images_, steps_;
};

// Calls load(offset, u) and use(u) for all groups of items of a thread; kBackward: the last parts first.
template <int kAtOnce, bool kBackward, class Load, class Use>
__device__ __forceinline__ void walk_planes(const NormForm& f, Load load, Use use) {
  PlanesWalk w(f, kBackward ? gridDim.y - 1 - blockIdx.y : blockIdx.y);
  in_turns<kAtOnce>(
      w.index(), w.end(), kThreads, [&](int64_t, int u) { load(w.next(), u); },
      [&](int64_t, int u) { use(u); });
}
// The same for rows; kBackward: the last ones of a part first, too.
template <int kAtOnce, bool kBackward, class Load, class Use>
__device__ __forceinline__ void walk_rows(const NormForm& f, const RowsPlace& p, Load load, Use use) {
  const unsigned part = kBackward ? gridDim.y - 1 - blockIdx.y : blockIdx.y;
  const int64_t from = f.begin(part), count = f.begin(part + 1) - from;
  in_turns<kAtOnce>(
      p.row, count, f.height,
      [&](int64_t i, int u) {
        load(f.row_at(kBackward ? from + count - 1 - i : from + i, p.block) + p.lane, u);
      },
      [&](int64_t, int u) { use(u); });
}

// ---- two sums for each channel ---------------------------------------------------------------------------------------

constexpr size_t rows_shared(int items) { return 2 * sizeof(float) * kThreads * static_cast<size_t>(items); }

// a[] and b[] added over the rows of the block; right in the threads of row 0. Called by all threads, which have zeros
// where they are not active; rows_shared(V) bytes of shared memory.
template <int V>
__device__ void add_rows(const NormForm& f, const RowsPlace& p, float (&a)[V], float (&b)[V]) {
  float* s = shared_memory<float>() + threadIdx.x;  // s[k kThreads]: sum k of the thread
#pragma unroll
  for (int k = 0; k < V; ++k) s[k * kThreads] = a[k], s[(V + k) * kThreads] = b[k];
  __syncthreads();
  for (int n = f.height; n > 1;) {
    const int half = (n + 1) / 2;
    if (p.row + half < n)
#pragma unroll
      for (int k = 0; k < 2 * V; ++k) s[k * kThreads] += s[k * kThreads + half * f.columns];
    __syncthreads();
    n = half;
  }
#pragma unroll
  for (int k = 0; k < V; ++k) a[k] = s[k * kThreads], b[k] = s[(V + k) * kThreads];
}

// Joins of parts: kJoinChannels channels a block, its other threads share out the parts.
constexpr int kJoinChannels = 8, kJoinWalkers = 32;
static_assert(kJoinChannels * kJoinWalkers == kThreads);

// Both sums of double over the walkers of the same channel; right in walker 0.
__device__ __forceinline__ void add_walkers(double& a, double& b) {
  __shared__ double s[2][kThreads];
  const unsigned t = threadIdx.x, walker = t / kJoinChannels;
  s[0][t] = a, s[1][t] = b;
  __syncthreads();
  for (unsigned half = kJoinWalkers / 2; half > 0; half /= 2) {
    if (walker < half)
      for (int k = 0; k < 2; ++k) s[k][t] += s[k][t + half * kJoinChannels];
    __syncthreads();
  }
  a = s[0][t], b = s[1][t];
}

}  // namespace dl::DL_ISA
