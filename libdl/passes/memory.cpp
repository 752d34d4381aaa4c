#include "passes/memory.h"

#include <algorithm>

#include "base/memory.h"

namespace dl {
namespace {

struct Block {
  int64_t bytes, first, last;  // alive from node `first` to node `last`, both included
  int64_t* offset;
  size_t index;  // in the order of values, then nodes: settles ties
  int64_t life() const { return last - first + 1; }
  int64_t end() const { return *offset + bytes; }
};

int64_t rounded(int64_t bytes) {
  const auto a = static_cast<int64_t>(kAlignment);
  return (bytes + a - 1) / a * a;
}

// Lowest offset at which `b` meets no placed block that is alive at the same time. `placed` is sorted by offset.
int64_t lowest_gap(const Block& b, const std::vector<const Block*>& placed) {
  int64_t at = 0;
  for (const Block* p : placed) {
    if (p->last < b.first || b.last < p->first) continue;
    if (at + b.bytes <= *p->offset) break;
    at = std::max(at, p->end());
  }
  return at;
}

using Before = bool (*)(const Block&, const Block&);

// Gives every block an offset, in the order that `before` asks for; returns the bytes that this takes.
int64_t place_in(std::vector<Block>& blocks, Before before) {
  std::sort(blocks.begin(), blocks.end(), [&](const Block& a, const Block& b) {
    return before(a, b) || (!before(b, a) && a.index < b.index);
  });
  int64_t bytes = 0;
  std::vector<const Block*> placed;
  for (const Block& b : blocks) {
    *b.offset = lowest_gap(b, placed);
    bytes = std::max(bytes, b.end());
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &b,
                                   [](const Block* x, const Block* y) { return *x->offset < *y->offset; }),
                  &b);
  }
  return bytes;
}

// No order is best for every graph, and placing is cheap: the best of three.
void place_best(std::vector<Block>& blocks) {
  constexpr Before orders[] = {
      [](const Block& a, const Block& b) { return a.bytes > b.bytes; },
      [](const Block& a, const Block& b) { return a.bytes * a.life() > b.bytes * b.life(); },
      [](const Block& a, const Block& b) { return a.life() > b.life(); },
  };
  size_t best = 0;
  int64_t least = -1;
  for (size_t i = 0; i < std::size(orders); ++i) {
    const int64_t bytes = place_in(blocks, orders[i]);
    if (least >= 0 && bytes >= least) continue;
    least = bytes;
    best = i;
  }
  place_in(blocks, orders[best]);
}

}  // namespace

MemoryPlan plan_memory(const Graph& g, std::vector<ValueId> alias, std::span<const Scratch> scratch,
                       size_t prologue) {
  const auto nodes = static_cast<int64_t>(g.nodes.size());
  MemoryPlan plan;
  plan.alias = std::move(alias);
  plan.offset.assign(g.values.size(), MemoryPlan::kElsewhere);
  plan.scratch.assign(g.nodes.size(), MemoryPlan::kElsewhere);

  std::vector<int64_t> first(g.values.size(), nodes), last(g.values.size(), -1);
  const auto touch = [&](ValueId v, int64_t k) {
    const auto root = static_cast<size_t>(plan.alias[static_cast<size_t>(v)]);
    first[root] = std::min(first[root], k);
    last[root] = std::max(last[root], k);
  };
  for (int64_t k = 0; k < nodes; ++k) {
    for (ValueId v : g.nodes[static_cast<size_t>(k)].in)
      if (v != kNone) touch(v, k);
    for (ValueId v : g.nodes[static_cast<size_t>(k)].out) touch(v, k);
  }
  for (size_t v = 0; v < g.values.size(); ++v)
    if (first[v] < static_cast<int64_t>(prologue) && last[v] >= static_cast<int64_t>(prologue))
      last[v] = nodes;
  for (const GraphOutput& o : g.outputs) touch(o.value, nodes);
  for (const Update& u : g.updates) touch(u.next, nodes);

  std::vector<Block> blocks;
  for (size_t v = 0; v < g.values.size(); ++v)
    if (g.values[v].kind == ValueKind::computed && plan.alias[v] == static_cast<ValueId>(v))
      blocks.push_back(
          {rounded(std::max<int64_t>(g.values[v].type.bytes(), 1)), first[v], last[v], &plan.offset[v], v});
  for (size_t k = 0; k < g.nodes.size(); ++k)
    if (scratch[k].bytes > 0)
      blocks.push_back({rounded(scratch[k].bytes), scratch[k].keep ? 0 : static_cast<int64_t>(k),
                        scratch[k].keep ? nodes : static_cast<int64_t>(k), &plan.scratch[k],
                        g.values.size() + k});

  std::vector<int64_t> alive(g.nodes.size() + 2);
  for (const Block& b : blocks) {
    alive[static_cast<size_t>(b.first)] += b.bytes;
    alive[static_cast<size_t>(b.last) + 1] -= b.bytes;
  }
  int64_t now = 0;
  for (size_t k = 0; k < alive.size(); ++k)
    if ((now += alive[k]) > plan.lower_bound) {
      plan.lower_bound = now;
      plan.fullest = std::min(k, g.nodes.size() - 1);
    }

  place_best(blocks);
  for (const Block& b : blocks) plan.arena_bytes = std::max(plan.arena_bytes, b.end());
  for (size_t v = 0; v < g.values.size(); ++v)
    plan.offset[v] = plan.offset[static_cast<size_t>(plan.alias[v])];
  return plan;
}

}  // namespace dl
