#pragma once
// Adds nodes of named operators under one name and origin.
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace dl {

struct Emit {
  Graph& g;
  std::string name, origin;
  Phase phase = Phase::forward;

  // The first result of a new node; `attrs` as in JSON. Absent operands at the end may be given as kNone.
  ValueId operator()(std::string_view op, std::vector<ValueId> in, const json& attrs = json::object()) const {
    return all(op, std::move(in), attrs)[0];
  }
  std::vector<ValueId> all(std::string_view op, std::vector<ValueId> in,
                           const json& attrs = json::object()) const;
  ValueId number(double v) const;  // a constant, f32 []
};

// The input leaf of that name, added where it is not there yet.
ValueId scalar_input(Graph& g, std::string_view name, DType type);

}  // namespace dl
