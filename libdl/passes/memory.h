#pragma once
// Where every value of a graph lives: which ones share memory, and the offsets of the rest in one arena.
#include <span>
#include <vector>

#include "graph/graph.h"

namespace dl {

// alias[v] is the value whose memory v uses: v itself, or for views and in-place nodes that of an earlier value (which
// may be a leaf: an update written over its parameter). `in_place` off leaves only views.
// What the first `prologue` nodes give to others outlives the run.
DL_API std::vector<ValueId> plan_in_place(const Graph& g, bool in_place = true, size_t prologue = 0);

struct Scratch {
  int64_t bytes = 0;
  bool keep = false;
};

struct MemoryPlan {
  static constexpr int64_t kElsewhere = -1;  // leaf, or alias of a leaf
  std::vector<ValueId> alias;                // as above
  std::vector<int64_t> offset;               // bytes into the arena, per value; kElsewhere for leaves
  std::vector<int64_t> scratch;              // bytes into the arena, per node; kElsewhere where it needs none
  int64_t arena_bytes = 0;                   // what the offsets need
  int64_t lower_bound = 0;                   // most bytes alive at one node: no plan can be smaller
  size_t fullest = 0;                        // that node
};

// Greedy: blocks in order of size, life or their product (the best of the three), each at the lowest offset that is free
// for its whole life. `scratch` has one entry per node; what is kept outlives the run.
DL_API MemoryPlan plan_memory(const Graph& g, std::vector<ValueId> alias, std::span<const Scratch> scratch,
                              size_t prologue = 0);

}  // namespace dl
