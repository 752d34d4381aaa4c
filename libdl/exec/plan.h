#pragma once
// A plan is a graph with its order, its kernels and its memory fixed. Making one reads shapes only.
#include <optional>
#include <string>
#include <vector>

#include "exec/cpu.h"
#include "exec/device.h"
#include "graph/graph.h"
#include "passes/memory.h"
#include "passes/passes.h"

namespace dl {

struct PlanOptions {
  PassOptions passes;
  Isa isa = best_isa();
  std::shared_ptr<Device> device = {};  // null: the CPU
  int threads = 1;                      // shapes grids, never results
};

struct Plan {
  Graph graph;  // after the passes
  MemoryPlan memory;
  std::vector<const Kernel*> kernels;  // per node; null for views, which do nothing
  std::vector<Work> work;              // per node
  bool hoisted = false;  // what follows from parameters and state alone is computed once, until they change:
  size_t prologue = 0;   // so many nodes at the start, and what kernels make of fixed weights (Work::once)
  std::shared_ptr<Device> device;  // null: the CPU
  Precision precision = Precision::f32;
  Isa isa = Isa::base;  // of the CPU's kernels
  int threads = 1;      // what the grids were shaped for; any pool may run them

  // With values that are computed again (PassOptions::recompute): what the plan would be without.
  struct Kept {
    int64_t arena = 0, flops = 0;
  };
  std::optional<Kept> kept;

  struct Bytes {
    int64_t parameters = 0, state = 0, inputs = 0, constants = 0, arena = 0;
  };
  DL_API Bytes bytes() const;
  // Whether inputs 1 and 2 of a node follow from parameters and state alone, in a graph that changes neither.
  bool fixed_weights(const Node& n) const;
  DL_API int64_t local_bytes() const;  // scratch of all workers
  DL_API int64_t flops() const;        // of one run; multiply and add count as two
};

DL_API Plan make_plan(Graph graph, const PlanOptions& options);

}  // namespace dl
