// Batch norm with given statistics, folded into the convolution or transposed convolution that feeds it.
#include "kernels/conv2d.h"
#include "kernels/elementwise_attrs.h"
#include "kernels/norm_attrs.h"
#include "kernels/reshape.h"
#include "ops/dims_field.h"
#include "ops/registry.h"
#include "passes/passes.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

// A convolution, either way, that no activation has been fused into.
bool plain_convolution(const Node& n) {
  if (n.op == &op::conv2d)
    return static_cast<const Conv2dAttrs*>(n.attrs.get())->activation == Activation::none;
  return n.op == &op::conv_transpose2d &&
         static_cast<const ConvTranspose2dAttrs*>(n.attrs.get())->activation == Activation::none;
}

class Folder {
 public:
  explicit Folder(const Graph& g) : g_(g), moved_(copy_leaves(g, out_)), uses_(g.values.size()) {
    for (const Node& n : g.nodes)
      for (ValueId x : n.in)
        if (x != kNone) ++uses_[at(x)];
    for (const GraphOutput& o : g.outputs) ++uses_[at(o.value)];
  }

  Graph run() {
    for (const Node& n : g_.nodes)
      if (!fold(n)) copy_node(g_, n, out_, moved_);
    for (const GraphOutput& o : g_.outputs) out_.outputs.push_back({o.name, moved(o.value)});
    return std::move(out_);
  }

 private:
  ValueId moved(ValueId v) const { return v == kNone ? kNone : moved_[at(v)]; }

  // gamma (conv(x, w) + b - mean) / std + beta = conv(x, w s) + (b - mean) s + beta with s = gamma / std. The convolution
  // that was there before is left without a reader.
  bool fold(const Node& n) {
    if (n.op != &op::batch_norm_inference || n.in.size() != 5 || uses_[at(n.in[0])] != 1) return false;
    const Node* conv = g_.producer(n.in[0]);
    if (!conv || conv->in.size() > 3 || !plain_convolution(*conv)) return false;
    const auto emit = [&](const OpDef& op, std::vector<ValueId> in, Attrs a = {}) {
      return out_.add(op, std::move(in), std::move(a), n.name, n.origin);
    };
    const ValueId gamma = moved(n.in[1]), beta = moved(n.in[2]), mean = moved(n.in[3]), var = moved(n.in[4]);
    const auto epsilon =
        static_cast<float>(static_cast<const BatchNormInferenceAttrs*>(n.attrs.get())->epsilon);
    const ValueId shifted = emit(op::scale_shift, {var}, make_attrs(ScaleShiftAttrs{1, epsilon}));
    const ValueId s = emit(op::div, {gamma, emit(op::sqrt, {shifted})});
    const auto reshape = [&](ValueId v, const Shape& to) {
      return emit(op::reshape, {v}, make_attrs(ReshapeAttrs{dims_of(to)}));
    };
    const ValueId weight = moved(conv->in[1]);
    const Shape ws = out_.type(weight).shape;
    ValueId w;
    if (conv->op == &op::conv2d) {
      w = emit(op::mul, {weight, reshape(s, {ws[0], 1, 1, 1})});
    } else {  // (in, out / groups, h, w)
      const int64_t groups = static_cast<const ConvTranspose2dAttrs*>(conv->attrs.get())->groups;
      const ValueId parts = reshape(weight, {groups, ws[0] / groups, ws[1], ws[2], ws[3]});
      w = reshape(emit(op::mul, {parts, reshape(s, {groups, 1, ws[1], 1, 1})}), ws);
    }
    const bool bias = conv->in.size() > 2 && conv->in[2] != kNone;
    const ValueId centre = bias ? emit(op::sub, {moved(conv->in[2]), mean}) : emit(op::neg, {mean});
    const ValueId b = emit(op::add, {beta, emit(op::mul, {centre, s})});
    moved_[at(n.out[0])] =
        out_.add(*conv->op, {moved(conv->in[0]), w, b}, conv->attrs, conv->name, conv->origin);
    return true;
  }

  const Graph& g_;
  Graph out_;
  std::vector<ValueId> moved_;  // ids in out_
  std::vector<int> uses_;
};

}  // namespace

Graph fold(Graph g) { return g.updates.empty() ? Folder(g).run() : g; }

}  // namespace dl
