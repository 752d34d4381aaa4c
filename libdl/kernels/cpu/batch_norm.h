#pragma once
// How batch norm sees its tensors: images of units, a unit being a run of floats that share their channels.
//   (N, C, d...)        a unit is a plane of one channel
//   blocked             a unit is a block of 16 channels: channel = float % 16
//   (N, C)              a unit is a stretch of up to kGroup channels of a row: channel = float
// A run is walked in groups of four vectors, so vector u of every group holds the same channels.
#include "kernels/blocked.h"
#include "kernels/cpu/rows.h"

namespace dl::DL_ISA {

constexpr int64_t kGroup = 4 * DL_VLEN;  // floats; a multiple of kChannelBlock
constexpr int64_t kStretch = 128;        // groups added up in float; sums run in double beyond

struct NormForm {
  int64_t images, units, run, step, width,
      channels;  // floats of a run and between images; channels of a unit, of all
  int64_t start(int64_t image, int64_t unit) const { return image * step + unit * run; }
  int64_t length(int64_t unit) const {  // floats of its run
    const int64_t left = step - unit * run;
    return left < run ? left : run;
  }
  int64_t spread(int64_t unit) const {
    return width < length(unit) ? width : length(unit);
  }  // floats of a term
  int64_t lane(int64_t u) const {
    return u * DL_VLEN & (width - 1);
  }  // channel where vector u of a group begins
  int64_t terms(int64_t of_images) const { return of_images * run / width; }  // of a channel
};

inline NormForm norm_form(const Arg& x, int64_t channels, bool blocked) {
  const int64_t images = x.dims[0], plane = x.size(2, x.rank);
  if (blocked) return {images, x.dims[1], plane, x.dims[1] * plane, kChannelBlock, channels};
  if (plane == 1) return {images, (channels + kGroup - 1) / kGroup, kGroup, channels, kGroup, channels};
  return {images, channels, plane, channels * plane, 1, channels};
}

// What a channel needs, for the four vectors of a group.
struct OfGroup {
  vf v[4];
};
inline OfGroup channel_values(const NormForm& f, int64_t unit, const float* p) {
  OfGroup g;
  if (f.width == 1) {
    for (vf& v : g.v) v = splat(p[unit]);
    return g;
  }
  for (int64_t u = 0; u < 4; ++u) {
    const int64_t first = unit * f.width + f.lane(u), left = f.channels - first;
    g.v[u] = left <= 0 ? vf{} : load_lanes(p + first, left < DL_VLEN ? left : DL_VLEN);
  }
  return g;
}
// All bits in lanes that belong to a channel, none in those behind the last.
inline OfGroup channel_masks(const NormForm& f, int64_t unit) {
  OfGroup g;
  for (vf& v : g.v) v = as_float(~vi{});
  for (int64_t u = 0; u < 4 && (unit + 1) * f.width > f.channels; ++u) {
    const int64_t left = f.channels - unit * f.width - f.lane(u);
    g.v[u] = as_float(lanes_below(left < DL_VLEN ? left : DL_VLEN));
  }
  return g;
}
DL_INLINE vf masked(vf v, vf mask) { return as_float(as_int(v) & as_int(mask)); }

// Calls f(i, u, lanes) for every vector of n floats: `lanes` floats from i on, vector u of their group.
template <class F>
DL_INLINE void each_group(int64_t n, F f) {
  int64_t i = 0;
  for (; i + kGroup <= n; i += kGroup)
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) f(i + u * DL_VLEN, u, DL_VLEN);
#pragma GCC unroll 4
  for (int u = 0; u < 4; ++u) {
    const int64_t at = i + u * DL_VLEN, left = n - at;
    if (left >= DL_VLEN)
      f(at, u, DL_VLEN);
    else if (left > 0)
      f(at, u, left);
  }
}

// The walk over all runs, last image first: a pass before this one went forward, so what it read last is at hand. A chunk
// is some units of one image, or of several where runs are too short to fetch a channel's values for each.
struct NormWalk {
  int64_t images = 1, units = 1, groups = 0, image_groups = 0;
  explicit NormWalk(const NormForm& f) {
    constexpr int64_t kChunk = 16384, kRun = 512;
    if (f.images * f.units * f.run == 0) return;
    if (f.run < kRun) images = kRun / f.run;
    if (images < kChunk / f.step) images = kChunk / f.step;
    if (images > f.images) images = f.images;
    if (images * f.run < kChunk) units = kChunk / (images * f.run);
    groups = (f.units + units - 1) / units;
    image_groups = (f.images + images - 1) / images;
  }
  int64_t chunks() const { return groups * image_groups; }
  template <class F>
  DL_INLINE void each(const NormForm& f, int64_t chunk,
                      F body) const {  // body(unit, first image, end of images)
    const int64_t at = chunks() - 1 - chunk, first = at % groups * units, from = at / groups * images;
    const int64_t to = from + images < f.images ? from + images : f.images;
    for (int64_t unit = first; unit < first + units && unit < f.units; ++unit) body(unit, from, to);
  }
};

// The sums of every channel over all terms are cut into pieces of whole images, by shapes alone: chunk = (piece, group
// of neighbouring units). Results stand in (pieces, units, sums, width) doubles.
struct NormSums {
  int64_t pieces, per_chunk, groups;
  bool
      image_by_image;  // long runs: the walk goes through memory; short ones: sums stay in registers over images
  explicit NormSums(const NormForm& f) : image_by_image(f.run >= 2048) {
    constexpr int64_t kChunk = 32768, kMost = 128;
    per_chunk = f.run > 0 && f.run < kChunk ? kChunk / f.run : 1;
    groups = (f.units + per_chunk - 1) / per_chunk;
    const int64_t wanted = f.images * f.units * f.run / kChunk;
    pieces = groups > 0 ? (wanted < kMost ? wanted : kMost) / groups : 1;
    if (pieces > f.images) pieces = f.images;
    if (pieces < 1) pieces = 1;
  }
  int64_t chunks() const { return pieces * groups; }
  int64_t first_image(const NormForm& f, int64_t piece) const { return f.images * piece / pieces; }
};

// Whether each worker takes whole units, all passes of one after the other: where they share out evenly.
inline bool unit_by_unit(const NormForm& f, int threads) {
  const int64_t rounds = (f.units + threads - 1) / threads;
  return f.width == kChannelBlock && f.units * 8 >= rounds * threads * 7;
}
constexpr int64_t kImagesAtOnce = 8;  // of a unit in its last pass, the last ones first

// Two sums in float lanes, over at most kStretch groups.
struct NormLanes {
  vf a[4], b[4];
};
// Lanes of the same channel added: `width` floats.
DL_INLINE void add_lanes(const NormForm& f, const vf (&s)[4], float* out) {
  if (f.width == 1) {
    *out = hsum((s[0] + s[1]) + (s[2] + s[3]));
  } else if (f.width == 2 * DL_VLEN) {
    store(out, s[0] + s[2]), store(out + DL_VLEN, s[1] + s[3]);
  } else if (f.width == DL_VLEN) {
    store(out, (s[0] + s[1]) + (s[2] + s[3]));
  } else {
    for (int u = 0; u < 4; ++u) store(out + u * DL_VLEN, s[u]);
  }
}

// Images [from, to) of a unit. start(at, n) before each stretch, whose first n floats stand at `at`; term(at, u, lanes,
// s) for each vector; end(s, terms) after it.
template <class Start, class Term, class End>
DL_INLINE void add_up(const NormForm& f, int64_t unit, int64_t from, int64_t to, Start start, Term term,
                      End end) {
  const int64_t length = f.length(unit), most = kStretch * kGroup;
  NormLanes s;
  int64_t groups = 0, floats = 0;
  for (int64_t n = from; n < to; ++n)
    for (int64_t i = 0; i < length; i += most) {
      const int64_t at = f.start(n, unit) + i, count = length - i < most ? length - i : most;
      if (groups == 0) {
        start(at, count);
        s = NormLanes{};
      }
      each_group(
          count, [&](int64_t j, int u, int64_t lanes)
                     __attribute__((always_inline)) { term(at + j, u, lanes, s); });
      groups += (count + kGroup - 1) / kGroup;
      floats += count;
      const bool last = n + 1 == to && i + most >= length;
      if (groups < kStretch && !last) continue;
      end(s, static_cast<double>(floats / f.spread(unit)));
      groups = floats = 0;
    }
}

}  // namespace dl::DL_ISA
