#pragma once
// Reverse-mode differentiation as one pass: extends a forward graph by the nodes that compute gradients.
#include <span>
#include <vector>

#include "graph/graph.h"

namespace dl {

// Gradients of the scalar f32 value `loss` with respect to `wanted`, in that order; kNone where loss does not depend on
// one. Where a value fans out, an explicit `add` joins its gradients. Error (config) at a node between loss and a wanted
// value that has no gradient.
DL_API std::vector<ValueId> autodiff(Graph& g, ValueId loss, std::span<const ValueId> wanted);

}  // namespace dl
