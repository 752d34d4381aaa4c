// Kernels that move and pool what they are given, with elements of 16 bits and with blocks of any number of channels: what
// the device has beyond the CPU. The f32 kernels, which ops_test.cpp holds against the CPU's, say what is right.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "exec/device.h"
#include "kernels/blocked.h"
#include "kernels/pool2d.h"
#include "kernels/upsample2d.h"
#include "ops/harness.h"

using namespace dl;
using namespace dl::test;

namespace {

// One operand: elements of `type`, and its extents.
struct Operand {
  Elem type = Elem::f32;
  std::vector<int64_t> dims;
  std::vector<unsigned char> bytes;

  Arg arg(void* data) const {
    Arg a;
    a.data = data;
    a.type = type;
    a.rank = static_cast<int8_t>(dims.size());
    std::copy(dims.begin(), dims.end(), a.dims);
    return a;
  }
  int64_t size() const { return arg(nullptr).size(); }
};

size_t size_of(Elem type) {
  switch (type) {
    case Elem::u8:
      return 1;
    case Elem::bf16:
    case Elem::f16:
      return 2;
    case Elem::f32:
    case Elem::i32:
      return 4;
    default:
      return 8;
  }
}

uint16_t to_bits(float v, Elem type) {
  if (type == Elem::f16) return std::bit_cast<uint16_t>(static_cast<_Float16>(v));
  const auto u = std::bit_cast<uint32_t>(v);
  return static_cast<uint16_t>((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}
float from_bits(uint16_t bits, Elem type) {
  if (type == Elem::f16) return static_cast<float>(std::bit_cast<_Float16>(bits));
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

std::vector<float> floats(const Operand& o) {
  std::vector<float> v(static_cast<size_t>(o.size()));
  for (size_t i = 0; i < v.size(); ++i) {
    if (o.type == Elem::f32) {
      std::memcpy(&v[i], &o.bytes[i * 4], 4);
    } else {
      uint16_t bits = 0;
      std::memcpy(&bits, &o.bytes[i * 2], 2);
      v[i] = from_bits(bits, o.type);
    }
  }
  return v;
}
Operand of_floats(std::vector<int64_t> dims, const std::vector<float>& v, Elem type) {
  Operand o{type, std::move(dims), std::vector<unsigned char>(v.size() * size_of(type))};
  for (size_t i = 0; i < v.size(); ++i) {
    const uint16_t bits = type == Elem::f32 ? uint16_t{0} : to_bits(v[i], type);
    if (type == Elem::f32)
      std::memcpy(&o.bytes[i * 4], &v[i], 4);
    else
      std::memcpy(&o.bytes[i * 2], &bits, 2);
  }
  return o;
}
Operand of_tensor(const Tensor& t) {
  const Arg a = make_arg(t.type(), nullptr);
  Operand o{a.type, {a.dims, a.dims + a.rank}, std::vector<unsigned char>(static_cast<size_t>(t.bytes()))};
  if (t.bytes()) std::memcpy(o.bytes.data(), t.raw(), o.bytes.size());
  return o;
}
Operand rounded(const Operand& o, Elem type) {
  return of_floats(o.dims, floats(of_floats(o.dims, floats(o), type)), o.type);
}

Device& device() {
  static const std::shared_ptr<Device> d = Device::open(0);
  return *d;
}

// Runs one operator; `out` has types and extents and gets the elements.
void run(OpId op, const void* attrs, const std::vector<Operand>& in, std::vector<Operand>& out) {
  std::vector<DeviceMemory> memory;
  std::vector<Arg> in_args, out_args;
  for (const Operand& o : in) {
    memory.emplace_back(device(), o.bytes.size(), "a test");
    device().copy(memory.back().data(), o.bytes.data(), o.bytes.size());
    in_args.push_back(o.arg(memory.back().data()));
  }
  for (Operand& o : out) {
    o.bytes.assign(static_cast<size_t>(o.size()) * size_of(o.type), 0xff);
    memory.emplace_back(device(), o.bytes.size(), "a test");
    device().copy(memory.back().data(), o.bytes.data(), o.bytes.size());
    out_args.push_back(o.arg(memory.back().data()));
  }
  Call call;
  call.in = in_args.data();
  call.out = out_args.data();
  call.n_in = static_cast<int>(in.size());
  call.n_out = static_cast<int>(out.size());
  call.attrs = attrs;
  call.seed = kSeed;
  call.queue = device().queue();
  Work work;
  device().kernel(op).plan(call, work);
  const DeviceMemory shared(device(), static_cast<size_t>(work.shared) * sizeof(float), "a test");
  call.shared = static_cast<float*>(shared.data());
  for (int phase = 0; phase < work.phases; ++phase) device().kernel(op).run(call, phase, 0, nullptr);
  device().check_launch("a test");
  for (size_t i = 0; i < out.size(); ++i)
    device().download(out[i].bytes.data(), out_args[i].data, out[i].bytes.size());
}
Operand run(const OpDef& op, const void* attrs, const std::vector<Operand>& in, std::vector<int64_t> dims) {
  std::vector<Operand> out{{in[0].type, std::move(dims), {}}};
  run(op_id(op), attrs, in, out);
  return out[0];
}

// Whether that input of an operator may have 16 bits.
bool takes_16_bits(std::string_view op, size_t input) {
  static const std::set<std::string_view> names = {"reduce_sum",   "reduce_mean",
                                                   "reduce_max",   "reduce_max_grad",
                                                   "sum_to",       "cast",
                                                   "concat",       "slice",
                                                   "slice_grad",   "transpose",
                                                   "reshape",      "to_blocked",
                                                   "dropout",      "from_blocked",
                                                   "upsample2d",   "upsample2d_grad",
                                                   "max_pool2d",   "max_pool2d_grad",
                                                   "avg_pool2d",   "avg_pool2d_grad",
                                                   "broadcast_to", "add",
                                                   "mul",          "relu",
                                                   "relu_grad",    "scale_shift",
                                                   "leaky_relu",   "swish",
                                                   "normalize"};
  return names.contains(op) && (op != "normalize" || input == 0);
}

// As f32 and as `type` from the same rounded operands: results differ by their own rounding.
void check_node(const Graph& g, const Node& node, const std::vector<Tensor>& values, Elem type) {
  std::vector<Operand> wide_in, in, wide, out;
  for (size_t i = 0; i < node.in.size(); ++i) {
    Operand o = of_tensor(values[static_cast<size_t>(node.in[i])]);
    const bool narrow = o.type == Elem::f32 && takes_16_bits(node.op->name, i);
    wide_in.push_back(narrow ? rounded(o, type) : o);
    in.push_back(narrow ? of_floats(o.dims, floats(o), type) : o);
  }
  for (ValueId v : node.out) {
    const Arg a = make_arg(g.type(v), nullptr);
    wide.push_back({a.type, {a.dims, a.dims + a.rank}, {}});
    out.push_back(wide.back());
    if (a.type == Elem::f32) out.back().type = type;
  }
  run(op_id(*node.op), node.attrs.get(), wide_in, wide);
  run(op_id(*node.op), node.attrs.get(), in, out);
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].type != type) {
      CHECK(out[i].bytes == wide[i].bytes);
      continue;
    }
    const std::vector<float> got = floats(out[i]), want = floats(wide[i]);
    size_t wrong = 0;
    for (size_t k = 0; k < got.size(); ++k) {
      const float bound = std::abs(want[k]) * (type == Elem::bf16 ? 0x1p-8f : 0x1p-11f) + 0x1p-24f;
      if (!(std::abs(got[k] - want[k]) <= bound) && !std::isinf(got[k])) ++wrong;
    }
    CHECK_MESSAGE(wrong == 0, "output ", i, " of ", std::string(node.op->name));
  }
}

// ---- blocked form of any number of lanes ----

struct Image {
  int64_t n, channels, h, w, lanes;
  int64_t blocks() const { return (channels + lanes - 1) / lanes; }
  std::vector<int64_t> plain(int64_t oh, int64_t ow) const { return {n, channels, oh, ow}; }
  std::vector<int64_t> blocked(int64_t oh, int64_t ow) const { return {n, blocks(), oh, ow, lanes}; }
};

Operand random_images(std::vector<int64_t> dims, Elem type, uint64_t seed) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  Random random(seed, 1);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = static_cast<float>(random.below(16)) - 8;  // some are equal
  return of_floats(std::move(dims), v, type);
}

// op(in...) of images and of their blocked form.
template <class A>
void check_forms(const Image& image, const OpDef& op, A attrs, const std::vector<Operand>& in, int64_t oh,
                 int64_t ow) {
  INFO(std::string(op.name));
  std::vector<Operand> blocked;
  for (const Operand& x : in)
    blocked.push_back(run(op::to_blocked, nullptr, {x}, image.blocked(x.dims[2], x.dims[3])));
  const Operand want = run(op, &attrs, in, image.plain(oh, ow));
  const Operand y = run(op, &attrs, blocked, image.blocked(oh, ow));
  const FromBlockedAttrs channels{image.channels};
  CHECK(run(op::from_blocked, &channels, {y}, image.plain(oh, ow)).bytes == want.bytes);
  const std::vector<float> all = floats(y);
  int64_t stray = 0;
  for (int64_t i = 0; i < y.size(); ++i) {
    const int64_t block = i / (oh * ow * image.lanes) % image.blocks();
    stray += block * image.lanes + i % image.lanes >= image.channels && all[static_cast<size_t>(i)] != 0;
  }
  CHECK(stray == 0);
}

template <class A>
A pool(int64_t kernel, int64_t stride, int64_t pad) {
  A a;
  for (int i = 0; i < 2; ++i) a.kernel[i] = kernel, a.stride[i] = stride;
  for (int64_t& p : a.pads) p = pad;
  return a;
}

void check_image(const Image& image, Elem type) {
  const Operand x = random_images(image.plain(image.h, image.w), type, 1);
  const int64_t windows[][3] = {
      {2, 2, 0}, {3, 2, 1}, {3, 1, 1}, {17, 1, 8}, {2, 3, 0}};  // kernel, stride, pad
  for (const auto& [kernel, stride, pad] : windows) {
    INFO("windows ", kernel, ' ', stride, ' ', pad);
    const int64_t oh = (image.h + 2 * pad - kernel) / stride + 1,
                  ow = (image.w + 2 * pad - kernel) / stride + 1;
    const Operand dy = random_images(image.plain(oh, ow), type, 2);
    const auto max = pool<MaxPool2dAttrs>(kernel, stride, pad);
    check_forms(image, op::max_pool2d, max, {x}, oh, ow);
    check_forms(image, op::max_pool2d_grad, max, {x, dy}, image.h, image.w);
    check_forms(image, op::avg_pool2d, pool<AvgPool2dAttrs>(kernel, stride, pad), {x}, oh, ow);
    check_forms(image, op::avg_pool2d_grad, pool<AvgPool2dGradAttrs>(kernel, stride, pad), {dy}, image.h,
                image.w);
  }
  for (UpsampleMode mode : {UpsampleMode::nearest, UpsampleMode::bilinear}) {
    const Upsample2dAttrs a{{2, 3}, mode};
    check_forms(image, op::upsample2d, a, {x}, 2 * image.h, 3 * image.w);
    const Operand dy = random_images(image.plain(2 * image.h, 3 * image.w), type, 3);
    check_forms(image, op::upsample2d_grad, a, {dy}, image.h, image.w);
  }
}

constexpr Elem kNarrow[] = {Elem::bf16, Elem::f16};

}  // namespace

TEST_CASE("elements of 16 bits") {
  for (const Row& row : rows()) {
    if (!row.opt.error.empty() || !takes_16_bits(row.op, 0)) continue;
    INFO(row.text());
    const Built b = build(row, wants_grad(row));
    const std::vector<Tensor> values = evaluate(b.graph, make_feeds(row, b), best_isa(), false);
    for (const Node& node : b.graph.nodes)
      if (takes_16_bits(node.op->name, 0) && device().has_kernel(op_id(*node.op)))
        for (Elem type : kNarrow) check_node(b.graph, node, values, type);
  }
}

TEST_CASE("blocked form of any number of lanes") {
  if (std::getenv("DL_OP")) return;
  const Image images[] = {
      {2, 24, 7, 9, 24}, {1, 50, 6, 8, 56}, {2, 40, 4, 5, 16}, {3, 3, 8, 9, 8}, {1, 35, 5, 3, 20}};
  for (const Image& image : images)
    for (Elem type : {Elem::f32, Elem::bf16, Elem::f16}) {
      INFO(image.channels, " channels, ", image.lanes, " lanes");
      check_image(image, type);
    }
}
