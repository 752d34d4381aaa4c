#include <algorithm>
#include <limits>
#include <map>

#include "passes/memory.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

struct Lifetimes {
  std::vector<int64_t>
      last;  // of the whole group that a root stands for: index of the last node that reads it

  explicit Lifetimes(const Graph& g) : last(g.values.size(), -1) {
    for (size_t k = 0; k < g.nodes.size(); ++k)
      for (ValueId x : g.nodes[k].in)
        if (x != kNone) last[at(x)] = static_cast<int64_t>(k);
    for (const GraphOutput& o : g.outputs) last[at(o.value)] = std::numeric_limits<int64_t>::max();
  }
};

}  // namespace

std::vector<ValueId> plan_in_place(const Graph& g, bool in_place, size_t prologue) {
  std::vector<ValueId> alias(g.values.size());
  for (size_t v = 0; v < alias.size(); ++v) alias[v] = static_cast<ValueId>(v);
  std::map<ValueId, ValueId> state_of;  // next value -> the state that it replaces
  for (const Update& u : g.updates) state_of[u.next] = u.state;
  Lifetimes life(g);
  for (const Update& u :
       g.updates) {  // a next value that cannot overwrite its state is copied at the end of the step
    const int32_t writer = g.value(u.next).node;
    if (writer < 0 || life.last[at(u.state)] > writer)
      life.last[at(u.next)] = std::numeric_limits<int64_t>::max();
  }
  const auto before = static_cast<int32_t>(prologue);
  for (size_t v = 0; v < alias.size(); ++v) {
    const Value& value = g.values[v];
    if (value.kind == ValueKind::computed && value.node < before && life.last[v] >= before)
      life.last[v] = std::numeric_limits<int64_t>::max();
  }
  const auto join = [&](ValueId v, ValueId root) {
    alias[at(v)] = root;
    life.last[at(root)] = std::max(life.last[at(root)], life.last[at(v)]);
  };
  for (size_t k = 0; k < g.nodes.size(); ++k) {
    const Node& n = g.nodes[k];
    if (n.op->traits & kView) {
      join(n.out[0], alias[at(n.in[0])]);
      continue;
    }
    if (!(n.op->traits & kInPlace) || !in_place) continue;
    for (size_t i = 0; i < n.out.size() && i < 4; ++i) {
      const int j = n.op->in_place[i];
      if (j < 0 || static_cast<size_t>(j) >= n.in.size() || n.in[static_cast<size_t>(j)] == kNone) continue;
      const ValueId x = n.in[static_cast<size_t>(j)], root = alias[at(x)];
      if (g.type(x) != g.type(n.out[i]) || life.last[at(root)] > static_cast<int64_t>(k)) continue;
      const auto shares = [&](ValueId v) { return v != kNone && alias[at(v)] == root; };
      if (std::count_if(n.in.begin(), n.in.end(), shares) != 1 ||
          std::any_of(n.out.begin(), n.out.end(), shares))
        continue;
      const ValueKind kind = g.value(root).kind;
      const auto s = state_of.find(n.out[i]);
      const bool over_state = s != state_of.end() && s->second == x && root == x;
      if (kind == ValueKind::computed || over_state) join(n.out[i], root);
    }
  }
  return alias;
}

}  // namespace dl
