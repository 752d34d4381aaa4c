#include "passes/autodiff.h"

#include "base/str.h"
#include "ops/registry.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

// Values that depend on one of `wanted`.
std::vector<bool> dependants(const Graph& g, std::span<const ValueId> wanted) {
  std::vector<bool> on_path(g.values.size());
  for (ValueId v : wanted) on_path[at(v)] = true;
  for (const Node& n : g.nodes)
    for (ValueId x : n.in)
      if (x != kNone && on_path[at(x)])
        for (ValueId y : n.out) on_path[at(y)] = true;
  return on_path;
}

}  // namespace

std::vector<ValueId> autodiff(Graph& g, ValueId loss, std::span<const ValueId> wanted) {
  if (g.type(loss).shape.elements() != 1 || g.type(loss).dtype != DType::f32)
    throw Error(Exit::config, str("the loss is ", g.type(loss).text(), ", expected one f32 number"));
  const std::vector<bool> on_path = dependants(g, wanted);
  std::vector<ValueId> grad(g.values.size(), kNone);  // of forward values, summed over the uses seen so far
  Tensor one(g.type(loss));
  one.data<float>()[0] = 1;
  grad[at(loss)] = g.add_constant("loss_gradient", std::move(one));

  for (size_t k = g.nodes.size(); k-- > 0;) {
    const Node node = g.nodes[k];  // a copy: emitting nodes moves the original
    GradCtx c{g, node, {}, std::vector<ValueId>(node.in.size(), kNone), std::vector<bool>(node.in.size())};
    std::vector<ValueId> dy;
    bool arrives = false, wants = false;
    for (ValueId y : node.out) {
      dy.push_back(on_path[at(y)] ? grad[at(y)] : kNone);
      arrives = arrives || dy.back() != kNone;
    }
    for (size_t i = 0; i < node.in.size(); ++i) {
      c.wanted[i] = node.in[i] != kNone && on_path[at(node.in[i])];
      wants = wants || c.wanted[i];
    }
    if (!arrives || !wants) continue;
    if (!node.op->grad) {
      const std::string layer = node.name.empty() ? "" : str("layer '", node.name, "': ");
      throw Error(
          Exit::config, node.origin,
          str(layer, node.op->name, " has no gradient, but the loss depends on parameters through it"));
    }
    c.dy = dy;
    node.op->grad(c);
    for (size_t i = 0; i < node.in.size(); ++i) {
      if (!c.wanted[i] || c.dx[i] == kNone) continue;
      ValueId& sum = grad[at(node.in[i])];
      sum = sum == kNone ? c.dx[i] : c.emit(op::add, {sum, c.dx[i]});
    }
  }
  std::vector<ValueId> out;
  for (ValueId v : wanted) out.push_back(grad[at(v)]);
  return out;
}

}  // namespace dl
