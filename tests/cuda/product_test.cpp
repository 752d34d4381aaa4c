// Products and convolutions on the device in the forms and element types that only devices know: channels-last images with
// as many lanes as there are channels, 16-bit operands, and shapes that take the big tiles or go by parts. Operands are
// small multiples of 1/4, so that every sum is exact in floats and compares without tolerance.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "exec/cpu.h"
#include "exec/device.h"
#include "kernels/conv2d.h"
#include "kernels/matmul.h"
#include "ops/registry.h"

using namespace dl;

namespace {

Device& device() {
  static const std::shared_ptr<Device> d = Device::open(0);
  return *d;
}

size_t size_of(Elem e) { return e == Elem::f32 ? 4 : 2; }

uint16_t to_bits(Elem e, float v) {
  if (e == Elem::f16) return std::bit_cast<uint16_t>(static_cast<_Float16>(v));
  uint32_t u = std::bit_cast<uint32_t>(v);
  u += 0x7fffu + (u >> 16 & 1u);
  return static_cast<uint16_t>(u >> 16);
}
float from_bits(Elem e, uint16_t b) {
  if (e == Elem::f16) return static_cast<float>(std::bit_cast<_Float16>(b));
  return std::bit_cast<float>(uint32_t{b} << 16);
}
float rounded(Elem e, float v) { return e == Elem::f32 ? v : from_bits(e, to_bits(e, v)); }

// A tensor of floats on the host, in some element type on the device.
struct Values {
  Elem type = Elem::f32;
  std::vector<int64_t> dims;
  std::vector<float> v;
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
  }
};

std::mt19937 random_bits(7);

Values values(Elem type, std::vector<int64_t> dims, bool zero = false) {
  Values t{type, std::move(dims), {}};
  t.v.resize(static_cast<size_t>(t.size()));
  if (!zero)
    for (float& f : t.v) f = static_cast<float>(static_cast<int>(random_bits() % 9) - 4) / 4;
  return t;
}

Arg arg_of(const Values& t) {
  Arg a;
  a.type = t.type;
  a.rank = static_cast<int8_t>(t.dims.size());
  std::copy(t.dims.begin(), t.dims.end(), a.dims);
  return a;
}

DeviceMemory upload(const Values& t, bool poisoned) {
  std::vector<unsigned char> bytes(t.v.size() * size_of(t.type), 0xff);
  for (size_t i = 0; i < t.v.size() && !poisoned; ++i) {
    const uint16_t half = t.type == Elem::f32 ? 0 : to_bits(t.type, t.v[i]);
    std::memcpy(&bytes[i * size_of(t.type)], t.type == Elem::f32 ? static_cast<const void*>(&t.v[i]) : &half,
                size_of(t.type));
  }
  DeviceMemory m(device(), bytes.size(), "a test");
  device().copy(m.data(), bytes.data(), bytes.size());
  device().wait();
  return m;
}

// Runs a kernel; fills out.v.
void run(OpId op, const void* attrs, const std::vector<const Values*>& in, Values& out) {
  std::vector<DeviceMemory> memory;
  std::vector<Arg> args;
  for (const Values* t : in) {
    args.push_back(t ? arg_of(*t) : Arg{});
    if (!t) continue;
    memory.push_back(upload(*t, false));
    args.back().data = memory.back().data();
  }
  Arg to = arg_of(out);
  const DeviceMemory result = upload(out, true);
  to.data = result.data();
  Call c;
  c.in = args.data();
  c.n_in = static_cast<int>(args.size());
  c.out = &to;
  c.n_out = 1;
  c.attrs = attrs;
  c.queue = device().queue();
  Work w;
  const Kernel& kernel = device().kernel(op);
  kernel.plan(c, w);
  const DeviceMemory shared =
      upload({Elem::f32, {w.shared}, std::vector<float>(static_cast<size_t>(w.shared))}, true);
  c.shared = static_cast<float*>(shared.data());
  for (int phase = 0; phase < w.phases; ++phase) kernel.run(c, phase, 0, nullptr);
  device().wait();
  device().check_launch("a test");
  std::vector<unsigned char> bytes(out.v.size() * size_of(out.type));
  device().download(bytes.data(), result.data(), bytes.size());
  for (size_t i = 0; i < out.v.size(); ++i) {
    if (out.type == Elem::f32) {
      std::memcpy(&out.v[i], &bytes[i * 4], 4);
    } else {
      uint16_t half;
      std::memcpy(&half, &bytes[i * 2], 2);
      out.v[i] = from_bits(out.type, half);
    }
  }
}

void check_equal(const Values& got, const std::vector<float>& want) {
  size_t i = 0;
  while (i < want.size() && got.v[i] == rounded(got.type, want[i])) ++i;
  CHECK_MESSAGE(i == want.size(), "element ", i, " is ", got.v[std::min(i, want.size() - 1)]);
}

void check_matmul(Elem ta, Elem tb, int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b) {
  CAPTURE(int(ta));
  CAPTURE(int(tb));
  INFO(m, " x ", n, " x ", k, " ", trans_a, trans_b);
  using Extents = std::vector<int64_t>;
  const Values a = values(ta, trans_a ? Extents{k, m} : Extents{m, k});
  const Values b = values(tb, trans_b ? Extents{n, k} : Extents{k, n});
  Values y = values(ta, {m, n}, true);
  const MatmulAttrs attrs{.trans_a = trans_a, .trans_b = trans_b};
  run(op_id(op::matmul), &attrs, {&a, &b}, y);
  std::vector<float> want(y.v.size());
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p) {
      const float f = a.v[static_cast<size_t>(trans_a ? p * m + i : i * k + p)];
      for (int64_t j = 0; j < n; ++j)
        want[static_cast<size_t>(i * n + j)] += f * b.v[static_cast<size_t>(trans_b ? j * k + p : p * n + j)];
    }
  check_equal(y, want);
}

// ---- convolutions ----------------------------------------------------------------------------------------------------

struct Case {
  int64_t n, c, h, w, k, kh, kw;
  Conv2dAttrs a;
  bool bias = false, residual = false;
};

// Images of a form: lanes 1 is NCHW, else (n, blocks, h, w, lanes).
struct Form {
  int64_t n, c, h, w, lanes;
  int64_t blocks() const { return (c + lanes - 1) / lanes; }
  std::vector<int64_t> dims() const {
    return lanes == 1 ? std::vector<int64_t>{n, c, h, w} : std::vector<int64_t>{n, blocks(), h, w, lanes};
  }
  size_t at(int64_t i, int64_t channel, int64_t y, int64_t x) const {
    return static_cast<size_t>((((i * blocks() + channel / lanes) * h + y) * w + x) * lanes +
                               channel % lanes);
  }
  Values random(Elem type) const {
    Values v = values(type, dims());
    for (int64_t i = 0; i < n; ++i)
      for (int64_t b = c; b < blocks() * lanes; ++b)
        for (int64_t p = 0; p < h * w; ++p) v.v[at(i, b, 0, p)] = 0;
    return v;
  }
};

int64_t lanes_of(int64_t c, int64_t lanes) { return lanes == 0 ? (c + 7) / 8 * 8 : lanes; }

struct Forms {
  Form x, y;
  Values w;
  Forms(const Case& t, Elem type, int64_t lanes_x, int64_t lanes_y)
      : x{t.n, t.c, t.h, t.w, lanes_of(t.c, lanes_x)},
        y{t.n, t.k, (t.h + t.a.pads[0] + t.a.pads[2] - t.a.dilation[0] * (t.kh - 1) - 1) / t.a.stride[0] + 1,
          (t.w + t.a.pads[1] + t.a.pads[3] - t.a.dilation[1] * (t.kw - 1) - 1) / t.a.stride[1] + 1,
          lanes_of(t.k, lanes_y)},
        w(values(type, {t.k, t.c / t.a.groups, t.kh, t.kw})) {}
};

// Calls f(place in x, in w, in y) for each product.
void each_product(const Case& t, const Forms& f, const std::function<void(size_t, size_t, size_t)>& use) {
  const int64_t cg = t.c / t.a.groups, kg = t.k / t.a.groups;
  for (int64_t n = 0; n < t.n; ++n)
    for (int64_t k = 0; k < t.k; ++k)
      for (int64_t c = 0; c < cg; ++c)
        for (int64_t tap = 0; tap < t.kh * t.kw; ++tap)
          for (int64_t i = 0; i < f.y.h; ++i)
            for (int64_t j = 0; j < f.y.w; ++j) {
              const int64_t r = i * t.a.stride[0] + tap / t.kw * t.a.dilation[0] - t.a.pads[0];
              const int64_t s = j * t.a.stride[1] + tap % t.kw * t.a.dilation[1] - t.a.pads[1];
              if (r < 0 || r >= t.h || s < 0 || s >= t.w) continue;
              use(f.x.at(n, k / kg * cg + c, r, s), static_cast<size_t>((k * cg + c) * t.kh * t.kw + tap),
                  f.y.at(n, k, i, j));
            }
}

void check_forward(const Case& t, Elem type, const Forms& f) {
  const Values x = f.x.random(type), bias = values(Elem::f32, {t.k}), r = f.y.random(type);
  Values y = values(type, f.y.dims(), true);
  run(op_id(op::conv2d), &t.a, {&x, &f.w, t.bias ? &bias : nullptr, t.residual ? &r : nullptr}, y);
  std::vector<float> want(y.v.size());
  each_product(t, f, [&](size_t ix, size_t iw, size_t iy) { want[iy] += x.v[ix] * f.w.v[iw]; });
  for (int64_t n = 0; n < t.n; ++n)
    for (int64_t k = 0; k < t.k; ++k)
      for (int64_t p = 0; p < f.y.h * f.y.w; ++p) {
        float& v = want[f.y.at(n, k, 0, p)];
        if (t.bias) v += bias.v[static_cast<size_t>(k)];
        if (t.residual) v += r.v[f.y.at(n, k, 0, p)];
        if (t.a.activation == Activation::relu) v = std::max(v, 0.f);
      }
  INFO("forward");
  check_equal(y, want);
}

void check_gradients(const Case& t, Elem type, const Forms& f) {
  Conv2dGradAttrs a;
  std::copy_n(t.a.stride, 2, a.stride);
  std::copy_n(t.a.pads, 4, a.pads);
  std::copy_n(t.a.dilation, 2, a.dilation);
  a.groups = t.a.groups;
  a.algorithm = t.a.algorithm;
  const Values x = f.x.random(type), dy = f.y.random(type), r = f.x.random(type), y = f.x.random(type);
  Values dw = values(Elem::f32, f.w.dims, true);
  std::vector<float> want(dw.v.size());
  run(op_id(op::conv2d_grad_weight), &a, {&x, &dy}, dw);
  each_product(t, f, [&](size_t ix, size_t iw, size_t iy) { want[iw] += x.v[ix] * dy.v[iy]; });
  {
    INFO("gradient of the weight");
    check_equal(dw, want);
  }
  if (t.a.algorithm == ConvAlgorithm::planar) return;
  Values dx = values(type, f.x.dims(), true);
  run(op_id(op::conv2d_grad_input), &a, {&f.w, &dy, t.residual ? &r : nullptr, t.residual ? &y : nullptr},
      dx);
  want.assign(dx.v.size(), 0);
  each_product(t, f, [&](size_t ix, size_t iw, size_t iy) { want[ix] += f.w.v[iw] * dy.v[iy]; });
  for (size_t i = 0; i < want.size() && t.residual; ++i) want[i] = y.v[i] > 0 ? want[i] + r.v[i] : 0;
  INFO("gradient of the input");
  check_equal(dx, want);
}

// lanes: 0 for all channels in one block, 1 for images.
void check_conv(const Case& t, Elem type, int64_t lanes_x = 0, int64_t lanes_y = 0, Elem weight = Elem::f32) {
  INFO("conv ", t.n, " ", t.c, " ", t.h, " ", t.w, " -> ", t.k, " by ", t.kh, " ", t.kw, ", algorithm ",
       int(t.a.algorithm), ", type ", int(type), ", lanes ", lanes_x, " ", lanes_y);
  const Forms f(t, weight, lanes_x, lanes_y);
  check_forward(t, type, f);
  check_gradients(t, type, f);
}

Conv2dAttrs window(ConvAlgorithm algorithm, int64_t pad = 0, int64_t stride = 1, int64_t groups = 1) {
  Conv2dAttrs a;
  for (int64_t& p : a.pads) p = pad;
  for (int64_t& s : a.stride) s = stride;
  a.groups = groups;
  a.algorithm = algorithm;
  return a;
}

constexpr Elem kTypes[] = {Elem::f32, Elem::bf16, Elem::f16};

}  // namespace

TEST_CASE("products of every type, order and size of tile") {
  for (const Elem type : kTypes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        check_matmul(type, type, 37, 29, 70, ta, tb);     // small tiles
        check_matmul(type, type, 40, 72, 1040, ta, tb);   // in parts
        check_matmul(type, type, 136, 200, 560, ta, tb);  // in parts, big tiles
      }
}

TEST_CASE("products of many rows") {
  for (const Elem type : kTypes) {
    check_matmul(type, type, 17000, 104, 24, false, false);
    check_matmul(type, type, 17000, 56, 24, false, true);
    check_matmul(type, Elem::f32, 50, 40, 33, false, true);
  }
}

TEST_CASE("convolutions of channels-last images") {
  for (const Elem type : kTypes) {
    const auto direct = ConvAlgorithm::direct;
    check_conv({2, 20, 7, 6, 12, 3, 3, window(direct, 1), true, true}, type);
    check_conv({2, 16, 9, 8, 24, 3, 3, window(direct, 1, 2), false, true}, type);
    check_conv({1, 24, 9, 8, 16, 1, 1, window(direct, 0, 2)}, type, 0, 0, type);
    check_conv({3, 24, 5, 6, 40, 1, 1, window(direct)}, type, 0, 0, type);
    check_conv({2, 12, 6, 6, 20, 3, 2, window(direct, 1, 1, 2)}, type);  // groups that begin between packs
    check_conv({2, 32, 6, 6, 16, 3, 3, window(direct, 1, 1, 2)}, type);
    check_conv({2, 20, 7, 6, 40, 3, 3, window(direct, 1), true}, type, 16, 16);
    check_conv({1, 96, 7, 7, 136, 3, 3, window(direct, 1)}, type);  // in parts
    Conv2dAttrs spread = window(direct, 2, 2);
    spread.dilation[0] = 2, spread.dilation[1] = 3;
    spread.activation = Activation::relu;
    check_conv({2, 8, 12, 11, 16, 3, 3, spread}, type);
  }
}

TEST_CASE("convolutions of many pixels") {
  for (const Elem type : kTypes) {
#if defined(__SANITIZE_ADDRESS__)
    if (type == Elem::f16) continue;  // as bf16, and slow here
#endif
    check_conv({2, 8, 96, 92, 72, 1, 1, window(ConvAlgorithm::direct)}, type);
    check_conv({2, 8, 96, 92, 16, 3, 1, window(ConvAlgorithm::direct)}, type);
  }
}

TEST_CASE("convolutions of images") {
  for (const Elem type : kTypes) {
    check_conv({2, 5, 7, 9, 6, 3, 3, window(ConvAlgorithm::im2col, 1), true}, type, 1, 1);
    check_conv({2, 6, 7, 9, 4, 3, 2, window(ConvAlgorithm::im2col, 1, 2, 2)}, type, 1, 1);
    check_conv({2, 3, 17, 16, 20, 5, 5, window(ConvAlgorithm::planar, 2, 2), true, true}, type, 1, 0);
    check_conv({1, 3, 17, 16, 20, 3, 3, window(ConvAlgorithm::planar, 1)}, type, 1, 16);
  }
}

TEST_CASE("depthwise convolutions") {
  for (const Elem type : kTypes)
    for (const int64_t lanes : {0, 16}) {
      const auto depthwise = ConvAlgorithm::depthwise;
      check_conv({2, 40, 9, 11, 40, 3, 3, window(depthwise, 1, 1, 40), true, true}, type, lanes, lanes);
      check_conv({2, 20, 9, 11, 20, 3, 3, window(depthwise, 1, 2, 20)}, type, lanes, lanes);
      check_conv({1, 9, 12, 10, 9, 5, 5, window(depthwise, 2, 3, 9)}, type, lanes, lanes);
    }
}
