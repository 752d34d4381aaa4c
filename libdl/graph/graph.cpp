#include "graph/graph.h"

#include "base/str.h"

namespace dl {
namespace {
constexpr std::string_view kKinds[] = {"computed", "input", "parameter", "state", "constant"};
}

std::string_view name_of(ValueKind k) { return kKinds[static_cast<size_t>(k)]; }

std::string_view name_of(Phase p) {
  constexpr std::string_view kPhases[] = {"forward", "backward", "update"};
  return kPhases[static_cast<size_t>(p)];
}

void InferCtx::fail(const std::string& message) const { throw Error(Exit::config, str(op, ": ", message)); }

void infer_same_as_first(InferCtx& c) { c.out = {c.x(0)}; }

Arity arity_of(std::string_view signature) {
  Arity a{0, 0};
  for (const std::string& word : split(signature, ' ')) {
    if (word.empty()) continue;
    if (a.most >= 0) ++a.most;
    if (!word.ends_with('?')) ++a.least;
    if (word.ends_with("...")) a.most = -1;
  }
  return a;
}

ValueId GradCtx::x(size_t i) const { return i < node.in.size() ? node.in[i] : kNone; }
ValueId GradCtx::y(size_t i) const { return node.out[i]; }
const TensorType& GradCtx::type(ValueId v) const { return graph.type(v); }
Attrs GradCtx::attrs() const { return node.attrs; }

std::vector<ValueId> GradCtx::emit_all(const OpDef& op, std::vector<ValueId> in, Attrs attrs) {
  return graph.add_node(op, std::move(in), std::move(attrs), node.name, node.origin, Phase::backward);
}

const Node* Graph::producer(ValueId v) const {
  const int32_t n = value(v).node;
  return n < 0 ? nullptr : &nodes[static_cast<size_t>(n)];
}

ValueId Graph::find(std::string_view leaf_name) const {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].kind != ValueKind::computed && values[i].name == leaf_name) return static_cast<ValueId>(i);
  return kNone;
}

ValueId Graph::output(std::string_view output_name) const {
  for (const GraphOutput& o : outputs)
    if (o.name == output_name) return o.value;
  return kNone;
}

ValueId Graph::add_leaf(ValueKind kind, std::string leaf_name, TensorType type) {
  values.push_back({kind, std::move(type), std::move(leaf_name), -1, 0});
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_constant(std::string constant_name, Tensor data) {
  const ValueId v = add_leaf(ValueKind::constant, std::move(constant_name), data.type());
  constants.emplace(v, std::move(data));
  return v;
}

std::vector<ValueId> Graph::add_node(const OpDef& op, std::vector<ValueId> in, Attrs attrs,
                                     std::string node_name, std::string origin, Phase phase) {
  if (!attrs) attrs = op.attrs->parse(json::object(), origin, {});
  const auto where = [&] { return node_name.empty() ? std::string() : str("layer '", node_name, "': "); };
  const Arity arity = arity_of(op.args);
  if (static_cast<int>(in.size()) < arity.least ||
      (arity.most >= 0 && static_cast<int>(in.size()) > arity.most))
    throw Error(Exit::config, origin,
                str(where(), op.name, ": takes ", op.args, ", got ", in.size(), " inputs"));
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i] == kNone && !arity.optional(i))
      throw Error(Exit::config, origin,
                  str(where(), op.name, ": takes ", op.args, ", input ", i, " is missing"));
  std::vector<const TensorType*> types;
  for (ValueId v : in) types.push_back(v == kNone ? nullptr : &type(v));
  InferCtx ctx{op.name, types, attrs.get(), {}};
  try {
    op.infer(ctx);
  } catch (const Error& e) { throw Error(e.code, origin, where() + e.what(), e.hint); }
  Node node{&op, std::move(in), {}, std::move(attrs), std::move(node_name), std::move(origin), phase};
  const auto id = static_cast<int32_t>(nodes.size());
  for (size_t i = 0; i < ctx.out.size(); ++i) {
    node.out.push_back(static_cast<ValueId>(values.size()));
    values.push_back({ValueKind::computed, ctx.out[i], {}, id, static_cast<int32_t>(i)});
  }
  nodes.push_back(std::move(node));
  return nodes.back().out;
}

int64_t node_flops(const Graph& g, const Node& n) {
  if (n.op->traits & kView) return 0;
  if (!n.op->flops) return g.type(n.out[0]).elements();
  std::vector<const TensorType*> types;
  for (ValueId v : n.in) types.push_back(v == kNone ? nullptr : &g.type(v));
  InferCtx c{n.op->name, types, n.attrs.get(), {}};
  n.op->infer(c);
  return n.op->flops(c);
}

}  // namespace dl
