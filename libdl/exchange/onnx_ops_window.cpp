// Convolution and pooling of the ONNX reference, two spatial axes.
#include <cmath>

#include "exchange/onnx_ops.h"

namespace dl {
namespace {

struct Window {
  int64_t kernel[2], stride[2], dilation[2], before[2], after[2], out[2];
};

// Attributes of an (N, C, H, W) input as the standard defines them, with ceil_mode.
Window window_of(const OnnxCall& c, const Extents& kernel) {
  const Extents& s = c.x().shape;
  c.require(s.size() == 4 && kernel.size() == 2, "expected (N, C, H, W) and two kernel extents");
  c.require(c.text("auto_pad", "NOTSET") == "NOTSET", "auto_pad is not known here");
  const Extents pads = c.integers("pads", {0, 0, 0, 0}), strides = c.integers("strides", {1, 1}),
                dilations = c.integers("dilations", {1, 1});
  c.require(pads.size() == 4 && strides.size() == 2 && dilations.size() == 2,
            "expected 4 pads, 2 strides, 2 dilations");
  Window w{};
  for (size_t i = 0; i < 2; ++i) {
    w.kernel[i] = kernel[i];
    w.stride[i] = strides[i];
    w.dilation[i] = dilations[i];
    w.before[i] = pads[i];
    w.after[i] = pads[i + 2];
    c.require(w.stride[i] > 0 && w.dilation[i] > 0 && w.kernel[i] > 0,
              "strides, dilations and kernel must be positive");
    const int64_t room = s[i + 2] + w.before[i] + w.after[i] - (w.dilation[i] * (w.kernel[i] - 1) + 1);
    c.require(room >= 0, "the window is larger than the padded input");
    const bool up = c.integer("ceil_mode", 0) != 0;
    w.out[i] = (room + (up ? w.stride[i] - 1 : 0)) / w.stride[i] + 1;
    // No window may start in the padding behind the input.
    if (up && (w.out[i] - 1) * w.stride[i] >= s[i + 2] + w.before[i]) --w.out[i];
  }
  return w;
}

// Calls fn(y, x, ky, kx) with the input position of each tap of the window at (oy, ox), inside the input
// only.
template <class F>
void each_tap(const Window& w, const Extents& s, int64_t oy, int64_t ox, F fn) {
  for (int64_t ky = 0; ky < w.kernel[0]; ++ky)
    for (int64_t kx = 0; kx < w.kernel[1]; ++kx) {
      const int64_t y = oy * w.stride[0] - w.before[0] + ky * w.dilation[0];
      const int64_t x = ox * w.stride[1] - w.before[1] + kx * w.dilation[1];
      if (y >= 0 && y < s[2] && x >= 0 && x < s[3]) fn(y, x, ky, kx);
    }
}

void conv(OnnxCall& c) {
  const OnnxValue &x = c.x(0), &wei = c.x(1);
  c.require(wei.shape.size() == 4, "expected a weight of (out, in / groups, kh, kw)");
  const Window w = window_of(c, {wei.shape[2], wei.shape[3]});
  const Extents& s = x.shape;
  const int64_t groups = c.integer("group", 1), out_channels = wei.shape[0], depth = wei.shape[1];
  c.require(groups > 0 && s[1] == depth * groups && out_channels % groups == 0,
            "channels and groups do not fit");
  const Extents stated = c.integers("kernel_shape", {wei.shape[2], wei.shape[3]});
  c.require(stated == Extents{wei.shape[2], wei.shape[3]}, "kernel_shape differs from the weight");
  c.y() = onnx_zeros(x.type, {s[0], out_channels, w.out[0], w.out[1]});
  auto y = c.y().v.begin();
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t o = 0; o < out_channels; ++o)
      for (int64_t oy = 0; oy < w.out[0]; ++oy)
        for (int64_t ox = 0; ox < w.out[1]; ++ox) {
          double sum = c.has(2) ? c.x(2).v.at(static_cast<size_t>(o)) : 0;
          const int64_t first = o / (out_channels / groups) * depth;
          for (int64_t d = 0; d < depth; ++d) {
            const double* plane = x.v.data() + (n * s[1] + first + d) * s[2] * s[3];
            const double* taps = wei.v.data() + (o * depth + d) * w.kernel[0] * w.kernel[1];
            each_tap(w, s, oy, ox, [&](int64_t py, int64_t px, int64_t ky, int64_t kx) {
              sum += plane[py * s[3] + px] * taps[ky * w.kernel[1] + kx];
            });
          }
          *y++ = sum;
        }
}

// What a transposed convolution adds to its output (n, channels, oh, ow) for one group of one image.
void spread(const OnnxValue& x, const OnnxValue& wei, const Window& w, int64_t groups, int64_t n,
            int64_t group, OnnxValue& y) {
  const Extents &s = x.shape, &t = y.shape;
  const int64_t in = s[1] / groups, out = wei.shape[1], taps = w.kernel[0] * w.kernel[1];
  for (int64_t i = group * in; i < (group + 1) * in; ++i)
    for (int64_t o = 0; o < out; ++o) {
      const double* from = x.v.data() + (n * s[1] + i) * s[2] * s[3];
      const double* tap = wei.v.data() + (i * out + o) * taps;
      double* to = y.v.data() + (n * t[1] + group * out + o) * t[2] * t[3];
      for (int64_t iy = 0; iy < s[2]; ++iy)
        for (int64_t ix = 0; ix < s[3]; ++ix)
          each_tap(w, t, iy, ix, [&](int64_t py, int64_t px, int64_t ky, int64_t kx) {
            to[py * t[3] + px] += from[iy * s[3] + ix] * tap[ky * w.kernel[1] + kx];
          });
    }
}

Window transposed_window(const OnnxCall& c, int64_t kernel_h, int64_t kernel_w) {
  c.require(c.text("auto_pad", "NOTSET") == "NOTSET" && !c.attribute("output_shape"),
            "auto_pad and output_shape are not known here");
  const Extents pads = c.integers("pads", {0, 0, 0, 0}), strides = c.integers("strides", {1, 1}),
                dilations = c.integers("dilations", {1, 1}), more = c.integers("output_padding", {0, 0});
  c.require(pads.size() == 4 && strides.size() == 2 && dilations.size() == 2 && more.size() == 2,
            "expected 4 pads, 2 strides, 2 dilations, 2 output_padding");
  Window w{};
  w.kernel[0] = kernel_h;
  w.kernel[1] = kernel_w;
  for (size_t i = 0; i < 2; ++i) {
    w.stride[i] = strides[i];
    w.dilation[i] = dilations[i];
    w.before[i] = pads[i];
    w.after[i] = pads[i + 2];
    const int64_t reach = (w.kernel[i] - 1) * dilations[i] + 1;
    w.out[i] = strides[i] * (c.x().shape[i + 2] - 1) + reach + more[i] - pads[i] - pads[i + 2];
    c.require(strides[i] > 0 && dilations[i] > 0 && w.out[i] > 0,
              "strides, dilations and extents must be positive");
  }
  return w;
}

void conv_transpose(OnnxCall& c) {
  const OnnxValue &x = c.x(0), &wei = c.x(1);
  c.require(x.shape.size() == 4 && wei.shape.size() == 4,
            "expected (N, C, H, W) and a weight of (in, out / groups, kh, kw)");
  const Window w = transposed_window(c, wei.shape[2], wei.shape[3]);
  const int64_t groups = c.integer("group", 1);
  c.require(groups > 0 && x.shape[1] == wei.shape[0] && x.shape[1] % groups == 0,
            "channels and groups do not fit");
  c.y() = onnx_zeros(x.type, {x.shape[0], wei.shape[1] * groups, w.out[0], w.out[1]});
  for (int64_t n = 0; n < x.shape[0]; ++n)
    for (int64_t group = 0; group < groups; ++group) spread(x, wei, w, groups, n, group, c.y());
  if (!c.has(2)) return;
  const int64_t pixels = w.out[0] * w.out[1], channels = wei.shape[1] * groups;
  for (int64_t i = 0; i < c.y().size(); ++i)
    c.y().v[static_cast<size_t>(i)] += c.x(2).v.at(static_cast<size_t>(i / pixels % channels));
}

// The two inputs that an output of Resize lies between, and the weight of the second.
struct Between {
  int64_t lo, hi;
  double w;
  Between(int64_t o, double scale, bool linear, int64_t extent) {
    const double at = linear ? std::max(0.0, (static_cast<double>(o) + 0.5) / scale - 0.5)
                             : std::floor(static_cast<double>(o) / scale);
    lo = std::min(static_cast<int64_t>(at), extent - 1);
    hi = std::min(lo + 1, extent - 1);
    w = at - std::floor(at);
  }
};

// Enlarging (N, C, H, W): the nearest pixel below, or lines between centres of pixels.
void resize(OnnxCall& c) {
  const Extents s = c.x().shape;
  c.require(s.size() == 4 && c.has(2) && c.x(2).v.size() == 4, "expected (N, C, H, W) and four scales");
  const std::vector<double>& scale = c.x(2).v;
  const bool linear = c.text("mode", "nearest") == "linear";
  const std::string places = c.text("coordinate_transformation_mode", "half_pixel");
  c.require(scale[0] == 1 && scale[1] == 1 && scale[2] >= 1 && scale[3] >= 1,
            "only height and width may grow");
  c.require(linear ? places == "half_pixel" : places == "asymmetric" && c.text("nearest_mode", "") == "floor",
            "expected linear with half_pixel, or nearest with asymmetric and floor");
  const auto extent = [&](size_t i) { return static_cast<int64_t>(static_cast<double>(s[i]) * scale[i]); };
  c.y() = onnx_zeros(c.x().type, {s[0], s[1], extent(2), extent(3)});
  auto y = c.y().v.begin();
  for (int64_t plane = 0; plane < s[0] * s[1]; ++plane)
    for (int64_t i = 0; i < extent(2); ++i)
      for (int64_t j = 0; j < extent(3); ++j) {
        const Between a(i, scale[2], linear, s[2]), b(j, scale[3], linear, s[3]);
        const double* x = c.x().v.data() + plane * s[2] * s[3];
        const auto row = [&](int64_t r) { return (1 - b.w) * x[r * s[3] + b.lo] + b.w * x[r * s[3] + b.hi]; };
        *y++ = (1 - a.w) * row(a.lo) + a.w * row(a.hi);
      }
}

template <class F>
void pool(OnnxCall& c, const Window& w, F reduce) {
  const Extents s = c.x().shape;
  c.y() = onnx_zeros(c.x().type, {s[0], s[1], w.out[0], w.out[1]});
  auto y = c.y().v.begin();
  for (int64_t plane = 0; plane < s[0] * s[1]; ++plane)
    for (int64_t oy = 0; oy < w.out[0]; ++oy)
      for (int64_t ox = 0; ox < w.out[1]; ++ox)
        *y++ = reduce(c.x().v.data() + plane * s[2] * s[3], s, oy, ox);
}

void max_pool(OnnxCall& c) {
  c.require(c.node.output_size() == 1, "the indices of the maxima are not known here");
  const Window w = window_of(c, c.integers("kernel_shape", {}));
  pool(c, w, [&](const double* plane, const Extents& s, int64_t oy, int64_t ox) {
    double best = -INFINITY;
    each_tap(w, s, oy, ox,
             [&](int64_t y, int64_t x, int64_t, int64_t) { best = std::fmax(best, plane[y * s[3] + x]); });
    return best;
  });
}

// How many taps of the window lie within the input and the padding about it (not in what ceil_mode adds).
int64_t padded_taps(const Window& w, const Extents& s, int64_t oy, int64_t ox) {
  int64_t taps = 1;
  const int64_t at[2] = {oy, ox};
  for (int i = 0; i < 2; ++i) {
    int64_t inside = 0;
    for (int64_t k = 0; k < w.kernel[i]; ++k)
      inside +=
          at[i] * w.stride[i] + k * w.dilation[i] < s[static_cast<size_t>(i) + 2] + w.before[i] + w.after[i];
    taps *= inside;
  }
  return taps;
}

void average_pool(OnnxCall& c) {
  const Window w = window_of(c, c.integers("kernel_shape", {}));
  const bool include_pad = c.integer("count_include_pad", 0) != 0;
  pool(c, w, [&](const double* plane, const Extents& s, int64_t oy, int64_t ox) {
    double sum = 0;
    int64_t taps = 0;
    each_tap(w, s, oy, ox, [&](int64_t y, int64_t x, int64_t, int64_t) {
      sum += plane[y * s[3] + x];
      ++taps;
    });
    return sum / static_cast<double>(include_pad ? padded_taps(w, s, oy, ox) : taps);
  });
}

template <class F>
void global_pool(OnnxCall& c, F reduce) {
  const Extents& s = c.x().shape;
  c.require(s.size() > 2, "expected (N, C, ...)");
  Extents shape(s.size(), 1);
  shape[0] = s[0];
  shape[1] = s[1];
  c.y() = onnx_zeros(c.x().type, shape);
  const int64_t run = onnx_count(s, 2, s.size());
  for (int64_t i = 0; i < c.y().size(); ++i)
    c.y().v[static_cast<size_t>(i)] = reduce(c.x().v.data() + i * run, run);
}

void global_average_pool(OnnxCall& c) {
  global_pool(c, [](const double* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    return sum / static_cast<double>(n);
  });
}

void global_max_pool(OnnxCall& c) {
  global_pool(c, [](const double* x, int64_t n) {
    double best = -INFINITY;
    for (int64_t i = 0; i < n; ++i) best = std::fmax(best, x[i]);
    return best;
  });
}

}  // namespace

std::vector<OnnxEntry> onnx_window_ops() {
  return {{"Conv", conv},
          {"ConvTranspose", conv_transpose},
          {"MaxPool", max_pool},
          {"AveragePool", average_pool},
          {"GlobalAveragePool", global_average_pool},
          {"GlobalMaxPool", global_max_pool},
          {"Resize", resize}};
}

}  // namespace dl
