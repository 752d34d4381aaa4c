// The layout pass: walks the graph once, keeps for every value its plain and its blocked form, and makes the other form
// where a reader needs it. Convolutions decide; pooling, norms, sums and activations follow what they read.
#include <algorithm>
#include <array>
#include <span>

#include "base/str.h"
#include "kernels/blocked.h"
#include "kernels/conv_support.h"
#include "kernels/norm_attrs.h"
#include "kernels/pool2d.h"
#include "kernels/reduce_attrs.h"
#include "kernels/reshape.h"
#include "kernels/slice.h"
#include "ops/dims_field.h"
#include "ops/registry.h"
#include "passes/passes.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

// Elementwise operators that give 0 where all they read is 0: they keep the lanes behind the last channel zero.
constexpr std::array kKeepZero = {"relu",
                                  "relu_grad",
                                  "tanh",
                                  "tanh_grad",
                                  "leaky_relu",
                                  "leaky_relu_grad",
                                  "elu",
                                  "elu_grad",
                                  "gelu",
                                  "gelu_grad",
                                  "swish",
                                  "swish_grad",
                                  "selu",
                                  "selu_grad",
                                  "celu",
                                  "celu_grad",
                                  "hard_swish",
                                  "mish",
                                  "mish_grad",
                                  "hard_swish_grad",
                                  "add",
                                  "sub",
                                  "mul",
                                  "maximum",
                                  "minimum",
                                  "neg",
                                  "thresholded_relu",
                                  "abs",
                                  "square",
                                  "abs_grad",
                                  "square_grad",
                                  "thresholded_relu_grad"};
constexpr std::array kPairs = {"add", "sub", "mul", "div", "maximum", "minimum"};

bool contains(std::span<const char* const> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is(const Node& n, const OpDef& op) { return n.op == &op; }

bool is_dims(const Dims& d, std::initializer_list<int64_t> want) {
  return std::equal(d.d, d.d + d.n, want.begin(), want.end());
}

// x: of the input, w: of the weight, y: of the output, all as images.
template <class A>
ConvGeometry geometry(const A& a, const Shape& x, const Shape& w, const Shape& y) {
  return {.n = x[0],
          .c = w[1] * a.groups,
          .h = x[2],
          .w = x[3],
          .k = w[0],
          .kh = w[2],
          .kw = w[3],
          .stride = {a.stride[0], a.stride[1]},
          .pads = {a.pads[0], a.pads[1], a.pads[2], a.pads[3]},
          .dilation = {a.dilation[0], a.dilation[1]},
          .groups = a.groups,
          .oh = y[2],
          .ow = y[3]};
}

Shape shape_of(const Dims& d) { return Shape(std::span<const int64_t>(d.d, static_cast<size_t>(d.n))); }

class Layout {
 public:
  Layout(const Graph& g, const LayoutOptions& options)
      : g_(g),
        options_(options),
        plain_(copy_leaves(g, out_)),
        blocked_(g.values.size(), kNone),
        native_(g.values.size()) {}

  Graph run() {
    for (const Node& n : g_.nodes)
      if (!convolution(n) && !follow(n)) keep(n);
    for (const GraphOutput& o : g_.outputs) out_.outputs.push_back({o.name, plain(o.value)});
    for (const Update& u : g_.updates) out_.updates.push_back({plain(u.state), plain(u.next)});
    return std::move(out_);
  }

 private:
  template <class A>
  static const A& attrs(const Node& n) {
    return *static_cast<const A*>(n.attrs.get());
  }

  // ---- the two forms of a value ------------------------------------------------------------------------------------

  ValueId plain(ValueId v) {
    if (v == kNone) return kNone;
    ValueId& p = plain_[at(v)];
    if (p == kNone) {
      const Value& value = g_.value(v);
      p = emit(node_of(v), op::from_blocked, {blocked_[at(v)]},
               make_attrs(FromBlockedAttrs{value.type.shape[1]}))[0];
    }
    return p;
  }

  ValueId blocked(ValueId v) {
    ValueId& b = blocked_[at(v)];
    if (b == kNone)
      b = emit(node_of(v), op::to_blocked, {plain(v)}, make_attrs(ToBlockedAttrs{options_.channels_last}))[0];
    return b;
  }

  // Computed in blocked form, not converted to it.
  bool native(ValueId v) const { return v != kNone && native_[at(v)]; }

  // Whether a node reads v together with a value that is there in blocked form.
  bool read_with_native(ValueId v) const {
    return std::any_of(g_.nodes.begin(), g_.nodes.end(), [&](const Node& n) {
      return std::find(n.in.begin(), n.in.end(), v) != n.in.end() &&
             std::any_of(n.in.begin(), n.in.end(), [&](ValueId x) { return native(x); });
    });
  }

  const Node& node_of(ValueId v) const {
    const Node* n = g_.producer(v);
    return n ? *n : *current_;
  }

  std::vector<ValueId> emit(const Node& like, const OpDef& op, std::vector<ValueId> in, Attrs a = {}) {
    return out_.add_node(op, std::move(in), std::move(a), like.name, like.origin, current_->phase);
  }

  void keep(const Node& n) {
    current_ = &n;
    std::vector<ValueId> in;
    for (ValueId x : n.in) in.push_back(plain(x));
    define(n, emit(n, *n.op, std::move(in), n.attrs), false);
  }

  // The outputs of the node n; the first in blocked form or plain, all others plain.
  void define(const Node& n, const std::vector<ValueId>& made, bool blocked_first) {
    native_[at(n.out[0])] = blocked_first;
    for (size_t i = 0; i < n.out.size(); ++i) {
      (i == 0 && blocked_first ? blocked_ : plain_)[at(n.out[i])] = made[i];
      out_.values[at(made[i])].name = g_.value(n.out[i]).name;
    }
  }

  // ---- convolutions ------------------------------------------------------------------------------------------------

  template <class A>
  ConvAlgorithm choose(const A& a, ConvPass pass, const Shape& x, const Shape& w, const Shape& y) const {
    if (options_.channels_last) return ConvAlgorithm::channels_last;
    return best_algorithm(geometry(a, x, w, y), pass, options_.winograd);
  }

  ValueId form(ValueId v, bool in_blocks) { return in_blocks ? blocked(v) : plain(v); }

  template <class A>
  Attrs with(const A& a, ConvAlgorithm algorithm) {
    A b = a;
    b.algorithm = algorithm;
    return make_attrs(b);
  }

  bool convolution(const Node& n) {
    current_ = &n;
    const auto shape = [&](ValueId v) -> const Shape& { return g_.type(v).shape; };
    if (is(n, op::conv2d)) {
      const auto& a = attrs<Conv2dAttrs>(n);
      const ConvAlgorithm how = choose(a, ConvPass::forward, shape(n.in[0]), shape(n.in[1]), shape(n.out[0]));
      if (how == ConvAlgorithm::im2col) return false;
      std::vector<ValueId> in{form(n.in[0], how != ConvAlgorithm::planar), plain(n.in[1])};
      if (n.in.size() > 2) in.push_back(plain(n.in[2]));
      if (n.in.size() > 3) in.push_back(blocked(n.in[3]));
      define(n, emit(n, *n.op, std::move(in), with(a, how)), true);
      return true;
    }
    if (is(n, op::conv_transpose2d)) {
      const auto& a = attrs<ConvTranspose2dAttrs>(n);
      const ConvAlgorithm how =
          choose(a, ConvPass::grad_input, shape(n.out[0]), shape(n.in[1]), shape(n.in[0]));
      if (how == ConvAlgorithm::im2col) return false;
      std::vector<ValueId> in{blocked(n.in[0]), plain(n.in[1])};
      if (n.in.size() > 2) in.push_back(plain(n.in[2]));
      define(n, emit(n, *n.op, std::move(in), with(a, how)), true);
      return true;
    }
    const bool input = is(n, op::conv2d_grad_input);
    if (!input && !is(n, op::conv2d_grad_weight)) return false;
    const auto& a = attrs<Conv2dGradAttrs>(n);
    const Shape made = shape_of(a.shape);
    const ConvAlgorithm how = input ? choose(a, ConvPass::grad_input, made, shape(n.in[0]), shape(n.in[1]))
                                    : choose(a, ConvPass::grad_weight, shape(n.in[0]), made, shape(n.in[1]));
    if (how == ConvAlgorithm::im2col) return false;
    const ValueId first = input ? plain(n.in[0]) : form(n.in[0], how != ConvAlgorithm::planar);
    const ValueId dy = blocked(n.in[1]);
    define(n, emit(n, *n.op, {first, dy}, with(a, how)), input);
    return true;
  }

  // ---- what follows ------------------------------------------------------------------------------------------------

  bool follow(const Node& n) {
    current_ = &n;
    if (is(n, op::broadcast_to)) return spread(n);
    if (std::none_of(n.in.begin(), n.in.end(), [&](ValueId v) { return native(v); })) return false;
    return elementwise(n) || norm(n) || pool(n) || reduce(n) || join(n);
  }

  bool images(ValueId v) const {
    const TensorType& t = g_.type(v);
    return is_real(t.dtype) && t.shape.rank() == 4;
  }
  // Lanes of a block, and blocks, of an image with so many channels.
  int64_t lanes(int64_t channels) const {
    return options_.channels_last ? channels_last_lanes(channels) : kChannelBlock;
  }
  int64_t blocks(int64_t channels) const { return (channels + lanes(channels) - 1) / lanes(channels); }
  bool whole_blocks(ValueId v) const {
    const int64_t channels = g_.type(v).shape[1];
    return channels % lanes(channels) == 0;
  }

  // The node with all inputs and the output in blocked form.
  bool all_blocked(const Node& n, Attrs a) {
    std::vector<ValueId> in;
    for (ValueId x : n.in) in.push_back(blocked(x));
    define(n, emit(n, *n.op, std::move(in), std::move(a)), true);
    return true;
  }

  bool elementwise(const Node& n) {
    if (!(n.op->traits & kElementwise) && !contains(kPairs, n.op->name)) return false;
    if (n.out.size() != 1 || !images(n.out[0])) return false;
    for (ValueId x : n.in)
      if (x == kNone || g_.type(x) != g_.type(n.out[0])) return false;
    if (!whole_blocks(n.out[0]) && !contains(kKeepZero, n.op->name)) return false;
    return all_blocked(n, n.attrs);
  }

  template <class A>
  bool norm_as(const Node& n, std::initializer_list<size_t> image_inputs) {
    A a = attrs<A>(n);
    a.blocked = true;
    std::vector<ValueId> in;
    for (size_t i = 0; i < n.in.size(); ++i) {
      const bool image = std::find(image_inputs.begin(), image_inputs.end(), i) != image_inputs.end();
      in.push_back(form(n.in[i], image));
    }
    define(n, emit(n, *n.op, std::move(in), make_attrs(a)), true);
    return true;
  }

  bool norm(const Node& n) {
    if (n.in.empty() || !images(n.in[0])) return false;
    if (is(n, op::batch_norm)) return norm_as<BatchNormAttrs>(n, {0, 5});
    if (is(n, op::batch_norm_inference)) return norm_as<BatchNormInferenceAttrs>(n, {0, 5});
    if (is(n, op::batch_norm_grad)) return norm_as<BatchNormGradAttrs>(n, {0, 1});
    return false;
  }

  bool pool(const Node& n) {
    const bool known = is(n, op::max_pool2d) || is(n, op::max_pool2d_grad) || is(n, op::avg_pool2d) ||
                       is(n, op::avg_pool2d_grad) || is(n, op::upsample2d) || is(n, op::upsample2d_grad);
    return known && all_blocked(n, n.attrs);
  }

  static Attrs reshape_attrs(const Shape& shape) { return make_attrs(ReshapeAttrs{dims_of(shape)}); }

  // Means over the pixels, and sums over everything but channels: short results, made plain.
  bool reduce(const Node& n) {
    if (!is(n, op::reduce_mean) && !is(n, op::reduce_sum)) return false;
    const auto& a = attrs<ReduceAttrs>(n);
    if (!images(n.in[0]) || a.keepdims) return false;
    if (!is_dims(a.axes, {2, 3}) && !is_dims(a.axes, {0, 2, 3})) return false;
    Shape padded = g_.type(n.out[0]).shape;
    const int axis = padded.rank() - 1;
    const int64_t channels = padded[axis];
    padded[axis] = blocks(channels) * lanes(channels);
    ValueId y = emit(n, *n.op, {blocked(n.in[0])}, n.attrs)[0];
    y = emit(n, op::reshape, {y}, reshape_attrs(padded))[0];
    if (padded[axis] != channels) y = emit(n, op::slice, {y}, make_attrs(SliceAttrs{axis, 0, channels}))[0];
    define(n, {y}, false);
    return true;
  }

  // The gradient of such a mean: (N, C) spread over the pixels of each channel.
  bool spread(const Node& n) {
    const auto& a = attrs<BroadcastToAttrs>(n);
    if (!images(n.out[0]) || !whole_blocks(n.out[0]) || !is_dims(a.axes, {2, 3})) return false;
    if (g_.type(n.in[0]).shape.rank() != 2 || !read_with_native(n.out[0])) return false;
    const Shape& y = g_.type(n.out[0]).shape;
    const int64_t b = blocks(y[1]), l = lanes(y[1]);
    const ValueId x = emit(n, op::reshape, {plain(n.in[0])}, reshape_attrs({y[0], b, l}))[0];
    const BroadcastToAttrs to{dims_of({y[0], b, y[2], y[3], l}), a.axes};
    define(n, emit(n, *n.op, {x}, make_attrs(to)), true);
    return true;
  }

  // Channels of whole blocks side by side, and parts of them.
  bool join(const Node& n) {
    const bool cut = is(n, op::slice);
    if (!cut && !is(n, op::concat)) return false;
    if (!images(n.out[0])) return false;
    for (ValueId x : n.in)
      if (!whole_blocks(x)) return false;
    if (!cut) {
      const int64_t axis = attrs<ConcatAttrs>(n).axis;
      return (axis == 1 || axis == -3) &&
             all_blocked(n, make_attrs(ConcatAttrs{options_.channels_last ? 4 : 1}));
    }
    const auto& a = attrs<SliceAttrs>(n);
    if (a.axis != 1 || a.begin < 0 || !whole_blocks(n.out[0])) return false;
    if (options_.channels_last)
      return all_blocked(n, make_attrs(SliceAttrs{4, a.begin, a.begin + g_.type(n.out[0]).shape[1]}));
    if (a.begin % kChannelBlock) return false;
    const int64_t first = a.begin / kChannelBlock;
    const SliceAttrs part{1, first, first + channel_blocks(g_.type(n.out[0]).shape[1])};
    return all_blocked(n, make_attrs(part));
  }

  const Graph& g_;
  LayoutOptions options_;
  const Node* current_ = nullptr;
  Graph out_;
  std::vector<ValueId> plain_, blocked_;  // ids in out_
  std::vector<bool> native_;
};

std::string why(ConvAlgorithm how, const ConvGeometry& g, ConvPass pass) {
  const std::string kernel = str(g.kh, 'x', g.kw);
  switch (how) {
    case ConvAlgorithm::winograd:
      return "3x3 at stride 1: Winograd F(4x4,3x3) needs a quarter of the products";
    case ConvAlgorithm::depthwise:
      return "every channel is a group";
    case ConvAlgorithm::planar:
      return str(g.c, " channels: read as pictures, no blocks");
    case ConvAlgorithm::direct:
      if (g.kh == 1 && g.kw == 1) return "1x1: a matrix product over pixels";
      if (g.kh <= g.stride[0] && g.kw <= g.stride[1] && pass == ConvPass::grad_input)
        return str(kernel, " at stride ", g.stride[0], 'x', g.stride[1],
                   ": windows do not overlap, a matrix product for each of their places");
      if (!conv_supports(ConvAlgorithm::winograd, g, pass))
        return str("no Winograd for ", kernel, " at stride ", g.stride[0], 'x', g.stride[1],
                   g.dilation[0] * g.dilation[1] > 1 ? ", dilated" : "", g.groups > 1 ? ", in groups" : "");
      return "too small for tiles of 4x4, or Winograd is left out";
    case ConvAlgorithm::channels_last:
      return "channels last: a matrix product over pixels and taps";
    case ConvAlgorithm::im2col:
      break;
  }
  if (conv_supports(ConvAlgorithm::direct, g, pass))
    return str("blocks of 16 would be mostly empty with ", g.c / g.groups, " and ", g.k / g.groups,
               " channels");
  if (g.groups > 1)
    return str("groups of ", g.c / g.groups, " and ", g.k / g.groups, " channels fill no blocks");
  return str("no other way for ", kernel, " at stride ", g.stride[0], 'x', g.stride[1]);
}

}  // namespace

std::string algorithm_reason(const Graph& g, const Node& n) {
  const auto shape = [&](ValueId v) -> const Shape& { return g.type(v).shape; };
  if (is(n, op::conv2d)) {
    const auto& a = *static_cast<const Conv2dAttrs*>(n.attrs.get());
    const ConvGeometry s = geometry(a, shape(n.in[0]), shape(n.in[1]), shape(n.out[0]));
    return why(a.algorithm, s, ConvPass::forward);
  }
  if (is(n, op::conv_transpose2d)) {
    const auto& a = *static_cast<const ConvTranspose2dAttrs*>(n.attrs.get());
    const ConvGeometry s = geometry(a, shape(n.out[0]), shape(n.in[1]), shape(n.in[0]));
    return why(a.algorithm, s, ConvPass::grad_input);
  }
  const bool input = is(n, op::conv2d_grad_input);
  if (!input && !is(n, op::conv2d_grad_weight)) return {};
  const auto& a = *static_cast<const Conv2dGradAttrs*>(n.attrs.get());
  const Shape made = shape_of(a.shape);
  const ConvGeometry s = input ? geometry(a, made, shape(n.in[0]), shape(n.in[1]))
                               : geometry(a, shape(n.in[0]), made, shape(n.in[1]));
  return why(a.algorithm, s, input ? ConvPass::grad_input : ConvPass::grad_weight);
}

Graph layout(Graph g, const LayoutOptions& options) { return Layout(g, options).run(); }

}  // namespace dl
