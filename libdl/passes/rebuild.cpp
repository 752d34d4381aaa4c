#include "passes/passes.h"

namespace dl {

std::vector<ValueId> copy_leaves(const Graph& g, Graph& out) {
  std::vector<ValueId> moved(g.values.size(), kNone);
  out.name = g.name;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    if (v.kind == ValueKind::computed) continue;
    moved[i] = out.add_leaf(v.kind, v.name, v.type);
    if (v.kind == ValueKind::constant)
      out.constants.emplace(moved[i], g.constants.at(static_cast<ValueId>(i)));
  }
  return moved;
}

void copy_node(const Graph& g, const Node& n, Graph& out, std::vector<ValueId>& moved) {
  std::vector<ValueId> in;
  for (ValueId x : n.in) in.push_back(x == kNone ? kNone : moved[static_cast<size_t>(x)]);
  const std::vector<ValueId> made = out.add_node(*n.op, std::move(in), n.attrs, n.name, n.origin, n.phase);
  for (size_t i = 0; i < made.size(); ++i) {
    moved[static_cast<size_t>(n.out[i])] = made[i];
    out.values[static_cast<size_t>(made[i])].name = g.value(n.out[i]).name;
  }
}

Graph rebuild(const Graph& g, const std::vector<Node>& nodes, const std::vector<ValueId>& replace) {
  Graph out;
  std::vector<ValueId> moved = copy_leaves(g, out);
  const auto resolve = [&](ValueId v) {
    while (v != kNone && replace[static_cast<size_t>(v)] != kNone) v = replace[static_cast<size_t>(v)];
    return v == kNone ? kNone : moved[static_cast<size_t>(v)];
  };
  for (Node n : nodes) {
    for (ValueId& x : n.in) x = resolve(x);
    for (size_t i = 0; i < n.out.size(); ++i) {
      Value v = g.value(n.out[i]);
      v.node = static_cast<int32_t>(out.nodes.size());
      v.index = static_cast<int32_t>(i);
      moved[static_cast<size_t>(n.out[i])] = static_cast<ValueId>(out.values.size());
      n.out[i] = static_cast<ValueId>(out.values.size());
      out.values.push_back(std::move(v));
    }
    out.nodes.push_back(std::move(n));
  }
  for (const GraphOutput& o : g.outputs) out.outputs.push_back({o.name, resolve(o.value)});
  for (const Update& u : g.updates) out.updates.push_back({resolve(u.state), resolve(u.next)});
  return out;
}

}  // namespace dl
