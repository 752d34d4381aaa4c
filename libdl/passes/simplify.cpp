#include <map>

#include "passes/passes.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

// A node that does nothing: its output may be replaced by its input.
bool is_identity(const Graph& g, const Node& n) {
  if (n.op->traits & kView) return g.type(n.in[0]) == g.type(n.out[0]);
  if (n.op->name == "dropout" || n.op->name == "dropout_grad")
    return n.op->attrs->dump(n.attrs.get()).at("rate") == 0;
  return false;
}

Graph drop_identities(const Graph& g) {
  std::vector<Node> kept;
  std::vector<ValueId> replace(g.values.size(), kNone);
  for (const Node& n : g.nodes) {
    if (is_identity(g, n))
      replace[at(n.out[0])] = n.op->name == "dropout_grad" ? n.in.back() : n.in[0];
    else
      kept.push_back(n);
  }
  return rebuild(g, kept, replace);
}

Graph merge_equal(const Graph& g) {
  std::vector<Node> kept;
  std::vector<ValueId> replace(g.values.size(), kNone);
  std::map<std::pair<std::string_view, std::vector<ValueId>>, std::vector<size_t>> seen;
  for (const Node& n : g.nodes) {
    Node m = n;
    for (ValueId& x : m.in)
      while (x != kNone && replace[at(x)] != kNone) x = replace[at(x)];
    bool merged = false;
    if (!(n.op->traits & (kRandom | kUpdate))) {
      auto& same = seen[{n.op->name, m.in}];
      for (size_t k : same) {
        const Node& other = kept[k];
        if (other.phase != n.phase || !n.op->attrs->equal(other.attrs.get(), n.attrs.get())) continue;
        for (size_t i = 0; i < n.out.size(); ++i) replace[at(n.out[i])] = other.out[i];
        merged = true;
        break;
      }
      if (!merged) same.push_back(kept.size());
    }
    if (!merged) kept.push_back(n);
  }
  return rebuild(g, kept, replace);
}

Graph drop_unused(const Graph& g) {
  std::vector<bool> live(g.values.size()), keep(g.nodes.size());
  for (const GraphOutput& o : g.outputs) live[at(o.value)] = true;
  for (const Update& u : g.updates) live[at(u.next)] = true;
  for (size_t k = g.nodes.size(); k-- > 0;) {
    for (ValueId y : g.nodes[k].out) keep[k] = keep[k] || live[at(y)];
    if (!keep[k]) continue;
    for (ValueId x : g.nodes[k].in)
      if (x != kNone) live[at(x)] = true;
  }
  std::vector<Node> kept;
  for (size_t k = 0; k < g.nodes.size(); ++k)
    if (keep[k]) kept.push_back(g.nodes[k]);
  return rebuild(g, kept, std::vector<ValueId>(g.values.size(), kNone));
}

}  // namespace

Graph simplify(Graph g) { return drop_unused(merge_equal(drop_identities(g))); }

}  // namespace dl
