#pragma once
// Which values of the forward part a training step keeps for the backward part, and which it computes again there.
#include "base/fields.h"
#include "graph/graph.h"

namespace dl {

// Chen et al., "Training deep nets with sublinear memory cost", 2016. In a config: "none", "cheap", "sqrt", or a number of
// segments.
struct Recompute {
  enum class Mode : uint8_t {
    none,
    cheap,     // what takes few operations from values that are kept: normalised, activated, dropped out
    segments,  // everything inside segments of the forward part; what crosses from one to the next is kept
  } mode = Mode::none;
  int64_t segments = 0;  // how many; 0: as many as take the least memory, about the square root of the layers
};

template <>
struct FieldType<Recompute> {
  DL_API static void parse(Recompute& v, const json& j, const std::string& at, const Bounds& b);
  DL_API static json schema(const Bounds& b);
  DL_API static json dump(const Recompute& v);
  static bool equal(const Recompute& a, const Recompute& b) {
    return a.mode == b.mode && a.segments == b.segments;
  }
};

// Repeats nodes of the forward part before the first node of the backward part that needs their values. The same kernels
// see the same operands, masks of dropout come from counters, and running statistics follow from the first time alone:
// results are equal bit for bit.
DL_API Graph recompute(Graph g, const Recompute& what);

}  // namespace dl
