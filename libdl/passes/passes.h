#pragma once
// Passes from graph to graph. Each is a pure function; results with and without a pass agree within tolerance.
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace dl {

// Drops nodes that no output and no update needs, merges equal nodes (not random ones, not updates), removes reshapes
// to the same shape and dropout of rate 0.
DL_API Graph simplify(Graph g);

// Moves activations into the affine, matmul, conv2d or batch_norm that produces their input, sums into the batch_norm
// that gives a term, and the mask of an activation's gradient into the matmul that produces the incoming gradient or
// the batch_norm_grad that reads it.
DL_API Graph fuse(Graph g);

// Keeps chains of convolutions in blocked form (kernels/blocked.h) and chooses each convolution's algorithm by its
// shapes; conversions stand at the ends of a chain. `winograd` allows that algorithm.
DL_API Graph layout(Graph g, bool winograd = true);

// Moves each node that updates parameters or state to the earliest place at which everything else has read the old
// value, so that its gradient's memory is free early.
DL_API Graph schedule(Graph g);

struct PassOptions {
  std::set<std::string, std::less<>>
      off;              // names of passes to leave out: "simplify", "fuse", "layout", "winograd", "schedule",
                        // "in_place"
  bool verify = false;  // after every pass
};
// Names of the passes that can be left out, in the order in which they run.
DL_API std::vector<std::string> pass_names();
// simplify, fuse, layout, schedule. Error (config) for an unknown name in `off`.
DL_API Graph optimise(Graph g, const PassOptions& options);

// Rebuilds a graph from `nodes` with `replace[v]` standing for value v everywhere (identity where kNone); unused
// computed values disappear. For use by passes.
Graph rebuild(const Graph& g, const std::vector<Node>& nodes, const std::vector<ValueId>& replace);

}  // namespace dl
