#pragma once
// The inference form of a network as a program without a planner wants it.
#include "base/export.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "io/model_file.h"

namespace dl {

// Batch norms are folded into the convolutions before them, unused and equal nodes are gone, and what follows from parameters
// alone has been computed: leaves are inputs and constants only, each constant is read. Outputs keep their names. `values`
// holds parameters and states by leaf name, of the right types.
DL_API Graph lower(Graph graph, TensorMap& values, Pool* pool);

}  // namespace dl
