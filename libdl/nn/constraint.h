#pragma once
// What holds for weights after every update: {"type": "max_norm", "max": 3, "layers": "dense*"}. A unit is a row of a dense
// weight (out, in) or a filter (out, in, kh, kw): what leads to one output.
#include <span>

#include "base/fields.h"
#include "graph/graph.h"
#include "nn/globs.h"

namespace dl {

struct Parameter;

struct ConstraintFamily {
  static constexpr std::string_view what = "constraint";
  DL_API static std::span<const Variant> variants();
};
using Constraint = Typed<ConstraintFamily>;  // default-constructed: max_norm

// Adds what makes the next value of a parameter keep the constraints that apply to it; returns the value then. Biases and
// the parameters of norms are left alone.
ValueId constrain(Graph& g, std::span<const Constraint> constraints, const Parameter& p, ValueId next);

// Error (config) for a pattern that fits no layer of `names`.
DL_API void check_constraints(std::span<const Constraint> constraints, std::span<const std::string> names,
                              const std::string& pointer);

}  // namespace dl
