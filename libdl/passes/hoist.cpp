#include <algorithm>

#include "passes/passes.h"

namespace dl {
namespace {

// Per node: whether it gives the same in every run as long as parameters and state stay.
std::vector<bool> fixed_nodes(const Graph& g) {
  std::vector<bool> fixed(g.nodes.size());
  if (!g.updates.empty()) return fixed;
  for (size_t k = 0; k < g.nodes.size(); ++k) {
    const Node& n = g.nodes[k];
    fixed[k] = !(n.op->traits & kRandom) && std::all_of(n.in.begin(), n.in.end(), [&](ValueId x) {
      if (x == kNone) return true;
      const Value& v = g.value(x);
      return v.kind == ValueKind::computed ? fixed[static_cast<size_t>(v.node)] : v.kind != ValueKind::input;
    });
  }
  return fixed;
}

}  // namespace

Graph hoist(Graph g) {
  const std::vector<bool> fixed = fixed_nodes(g);
  std::vector<Node> nodes;
  for (const bool first : {true, false})
    for (size_t k = 0; k < g.nodes.size(); ++k)
      if (fixed[k] == first) nodes.push_back(g.nodes[k]);
  return rebuild(g, nodes, std::vector<ValueId>(g.values.size(), kNone));
}

size_t prologue_of(const Graph& g) {
  const std::vector<bool> fixed = fixed_nodes(g);
  return static_cast<size_t>(std::find(fixed.begin(), fixed.end(), false) - fixed.begin());
}

}  // namespace dl
