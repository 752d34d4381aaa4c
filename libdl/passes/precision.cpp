// The precision pass walks the graph once and keeps for every value its f32 and its 16-bit form; the other form is made where
// a reader needs it. Products decide; what can follow stays in 16 bits when it reads such values.
#include "passes/precision.h"

#include <algorithm>
#include <array>
#include <span>

#include "kernels/elementwise_attrs.h"
#include "ops/registry.h"
#include "passes/passes.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

// Operators that read 16 bits: which inputs (bit i for input i), and whether output 0 is of 16 bits too (else f32).
struct Role {
  std::string_view op;
  unsigned inputs;
  bool half_output = true;
};
constexpr unsigned kAll = ~0u;
// They compute in 16 bits whatever their operands are.
constexpr Role kProducts[] = {
    {"conv2d", 0b1011},
    {"conv2d_grad_input", kAll},
    {"conv2d_grad_weight", kAll, false},
    {"conv_transpose2d", 0b11},
    {"matmul", kAll},
    {"affine", 0b11},
};
// They follow what they read.
constexpr Role kFollowers[] = {
    {"batch_norm", 0b100001},
    {"batch_norm_grad", 0b11},
    {"batch_norm_inference", 0b100001},
    {"layer_norm", 0b1},
    {"layer_norm_grad", 0b11},
    {"group_norm", 0b1},
    {"group_norm_grad", 0b11},
    {"rms_norm", 0b1},
    {"rms_norm_grad", 0b11},
    {"max_pool2d", kAll},
    {"max_pool2d_grad", kAll},
    {"avg_pool2d", kAll},
    {"avg_pool2d_grad", kAll},
    {"upsample2d", kAll},
    {"upsample2d_grad", kAll},
    {"concat", kAll},
    {"slice", kAll},
    {"slice_grad", kAll},
    {"transpose", kAll},
    {"reshape", kAll},
    {"dropout", 0b1},
    {"broadcast_to", kAll},
    {"reduce_sum", kAll, false},
    {"reduce_mean", kAll, false},
    {"sum_to", kAll, false},
};
constexpr Role kElement{"", kAll};

const Role* find(std::span<const Role> roles, std::string_view op) {
  const auto it = std::find_if(roles.begin(), roles.end(), [&](const Role& r) { return r.op == op; });
  return it == roles.end() ? nullptr : &*it;
}

class Precise {
 public:
  Precise(const Graph& g, DType half, bool stored)
      : g_(g),
        half_type_(half),
        stored_(stored),
        full_(copy_leaves(g, out_)),
        half_(g.values.size(), kNone),
        native_(g.values.size()) {}

  Graph run() {
    for (const Node& n : g_.nodes) {
      current_ = &n;
      const Role* role = role_of(n);
      if (role)
        compute_in_half(n, *role);
      else
        keep(n);
    }
    for (const GraphOutput& o : g_.outputs) out_.outputs.push_back({o.name, full(o.value)});
    for (const Update& u : g_.updates) out_.updates.push_back({full(u.state), full(u.next)});
    return std::move(out_);
  }

 private:
  static bool reads(const Role& role, size_t input) { return input >= 32 || (role.inputs >> input & 1); }

  const Role* role_of(const Node& n) const {
    if (const Role* product = find(kProducts, n.op->name)) return product;
    const Role* role = find(kFollowers, n.op->name);
    if (n.phase == Phase::update) return nullptr;  // parameters change in f32
    if (!role && (n.op->traits & kElementwise) && !(n.op->traits & kUpdate)) role = &kElement;
    if (!role) return nullptr;
    bool any = false;
    for (size_t i = 0; i < n.in.size(); ++i) {
      if (n.in[i] == kNone || !reads(*role, i)) continue;
      if (g_.type(n.in[i]).dtype != DType::f32) return nullptr;
      any = any || native_[at(n.in[i])];
    }
    return any && g_.type(n.out[0]).dtype == DType::f32 ? role : nullptr;
  }

  ValueId convert(ValueId v, Elem to) {
    const Node* n = g_.producer(v);
    if (!n) n = current_;
    if (stored_)
      return out_.add_node(op::cast, {v_(v, to)}, make_attrs(CastAttrs{to}), n->name, n->origin,
                           current_->phase)[0];
    return out_.add_node(op::round_to, {full_[at(v)]}, make_attrs(RoundToAttrs{to}), n->name, n->origin,
                         current_->phase)[0];
  }
  // What a cast to that type reads.
  ValueId v_(ValueId v, Elem to) const { return to == Elem::f32 ? half_[at(v)] : full_[at(v)]; }

  ValueId full(ValueId v) {
    if (v == kNone) return kNone;
    ValueId& made = full_[at(v)];
    if (made == kNone) made = convert(v, Elem::f32);
    return made;
  }
  ValueId half(ValueId v) {
    if (v == kNone) return kNone;
    ValueId& made = half_[at(v)];
    if (made == kNone) made = convert(v, static_cast<Elem>(half_type_));
    return made;
  }

  std::vector<ValueId> emit(const Node& n, std::vector<ValueId> in) {
    const std::vector<ValueId> made = out_.add_node(*n.op, std::move(in), n.attrs, n.name, n.origin, n.phase);
    for (size_t i = 0; i < made.size(); ++i) out_.values[at(made[i])].name = g_.value(n.out[i]).name;
    return made;
  }

  void keep(const Node& n) {
    std::vector<ValueId> in;
    for (ValueId x : n.in) in.push_back(full(x));
    const std::vector<ValueId> made = emit(n, std::move(in));
    for (size_t i = 0; i < made.size(); ++i) full_[at(n.out[i])] = made[i];
  }

  void compute_in_half(const Node& n, const Role& role) {
    std::vector<ValueId> in;
    for (size_t i = 0; i < n.in.size(); ++i) in.push_back(reads(role, i) ? half(n.in[i]) : full(n.in[i]));
    const std::vector<ValueId> made = emit(n, std::move(in));
    for (size_t i = 1; i < made.size(); ++i) full_[at(n.out[i])] = made[i];
    if (!role.half_output) {
      full_[at(n.out[0])] = made[0];
      return;
    }
    native_[at(n.out[0])] = true;
    if (stored_) {
      half_[at(n.out[0])] = made[0];
      return;
    }
    full_[at(n.out[0])] = made[0];
    full_[at(n.out[0])] = half(n.out[0]);  // nobody sees what was not rounded
  }

  const Graph& g_;
  DType half_type_;
  bool stored_;
  const Node* current_ = nullptr;
  Graph out_;
  std::vector<ValueId> full_, half_;  // ids in out_
  std::vector<bool> native_;
};

}  // namespace

Graph precise(Graph g, Precision precision, bool stored) {
  if (precision != Precision::bf16 && precision != Precision::f16) return g;
  return Precise(g, precision == Precision::bf16 ? DType::bf16 : DType::f16, stored).run();
}

}  // namespace dl
