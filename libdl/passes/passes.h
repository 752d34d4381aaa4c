#pragma once
// Passes from graph to graph. Each is a pure function; results with and without a pass agree within tolerance.
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "passes/precision.h"
#include "passes/recompute.h"

namespace dl {

// Drops nodes that no output and no update needs, merges equal nodes (not random ones, not updates), removes reshapes
// to the same shape and dropout of rate 0.
DL_API Graph simplify(Graph g);

// Of a network that is not trained: batch norms go into the weights and biases of the convolutions that feed them.
DL_API Graph fold(Graph g);

// Moves activations into the affine, matmul, conv2d or batch_norm that produces their input, sums into the batch_norm
// or blocked conv2d that gives a term, and the mask of an activation's gradient into the matmul that produces the incoming gradient or
// the batch_norm_grad that reads it.
DL_API Graph fuse(Graph g);

// Keeps chains of convolutions in blocked form (kernels/blocked.h) and chooses each convolution's algorithm by its
// shapes; conversions stand at the ends of a chain.
struct LayoutOptions {
  bool winograd = true;        // may be chosen
  bool channels_last = false;  // that form for all convolutions, as devices want it
};
DL_API Graph layout(Graph g, const LayoutOptions& options = {});
// Why a convolution of a graph is computed as it is, for people; empty for other nodes.
DL_API std::string algorithm_reason(const Graph& g, const Node& n);

// Of a network that is not trained: runs stretches whose tensors are larger than the caches for a few samples at a time.
DL_API Graph split_batch(Graph g);

// Moves each node that updates parameters or state to the earliest place at which everything else has read the old
// value, so that its gradient's memory is free early.
DL_API Graph schedule(Graph g);

// Of a network that is not trained: what follows from parameters, state and constants alone goes first.
DL_API Graph hoist(Graph g);
// How many nodes at the start give the same in every run: none where the graph updates parameters or state.
DL_API size_t prologue_of(const Graph& g);

struct PassOptions {
  std::set<std::string, std::less<>> off;  // names of passes to leave out, as pass_names() gives them
  Recompute recompute;
  Precision precision = Precision::f32;
  bool device = false;  // not for the CPU: channels last, nothing that is for the CPU's caches
  bool verify = false;  // after every pass
};
// Names of the passes that can be left out, in the order in which they run.
DL_API std::vector<std::string> pass_names();
// All but in_place. Error (config) for an unknown name in `off`.
DL_API Graph optimise(Graph g, const PassOptions& options);

// Rebuilds a graph from `nodes` with `replace[v]` standing for value v everywhere (identity where kNone); unused
// computed values disappear. For use by passes.
Graph rebuild(const Graph& g, const std::vector<Node>& nodes, const std::vector<ValueId>& replace);
// Gives `out` the name and leaves of g; per value of g its id there, kNone for computed ones. For use by passes.
std::vector<ValueId> copy_leaves(const Graph& g, Graph& out);
// Appends node n of g to `out`, whose ids of g's values `moved` holds; it gets those of the node's outputs. For use by passes.
void copy_node(const Graph& g, const Node& n, Graph& out, std::vector<ValueId>& moved);

}  // namespace dl
