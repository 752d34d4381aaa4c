#include <algorithm>

#include "passes/passes.h"

namespace dl {

Graph schedule(Graph g) {
  // Position of each node: updates sit right behind the last node that they wait for, the rest keeps its order.
  std::vector<size_t> last_reader(g.values.size(), 0), position(g.nodes.size());
  for (size_t k = 0; k < g.nodes.size(); ++k) {
    if (g.nodes[k].phase == Phase::update) continue;
    for (ValueId x : g.nodes[k].in)
      if (x != kNone) last_reader[static_cast<size_t>(x)] = k;
  }
  std::vector<size_t> order(g.nodes.size());
  for (size_t k = 0; k < g.nodes.size(); ++k) {
    order[k] = k;
    position[k] = k;
    if (g.nodes[k].phase != Phase::update) continue;
    size_t after = 0;
    for (ValueId x : g.nodes[k].in) {
      if (x == kNone) continue;
      after = std::max(after, last_reader[static_cast<size_t>(x)]);
      if (const int32_t p = g.value(x).node; p >= 0)
        after = std::max(after, position[static_cast<size_t>(p)]);
    }
    position[k] = after;
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return position[a] < position[b]; });
  std::vector<Node> nodes;
  for (size_t k : order) nodes.push_back(g.nodes[k]);
  return rebuild(g, nodes, std::vector<ValueId>(g.values.size(), kNone));
}

}  // namespace dl
