#pragma once
// Networks as ONNX files. Built as a library of its own, libdl_onnx, so that only what exports pays for
// loading protobuf (about 2 ms).
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/export.h"
#include "graph/graph.h"

namespace dl {

struct OnnxOptions {
  // Inputs and outputs whose first extent is this get the symbolic extent "N" there; 0: every extent is
  // fixed. Build the graph with a batch that no other extent equals.
  int64_t batch = 0;
  std::string producer_version = {};
  std::map<std::string, std::string> metadata = {};  // metadata_props
  int64_t opset = 0;  // of the file; 0: the lowest that serves all nodes. Error (config) when that is higher.
  bool strip =
      false;  // values and parameters are numbered, nodes have no names; inputs and outputs keep theirs
};

struct OnnxFile {
  std::string bytes;  // a serialized ModelProto: equal graphs and values give equal bytes
  int64_t opset = 0;  // the lowest that serves all nodes, at least kOnnxLeastOpset
  int64_t ir_version = 0;
};

inline constexpr int64_t kOnnxLeastOpset = 13;

// The inference form of a network as ONNX. `values` holds parameters and states by leaf name; they become
// initializers of the same name. Inputs and outputs keep their names. Errors: Exit::config with the layer's
// name and place for an operator that has no ONNX form, and for a network above the 2 GiB that one protobuf
// message holds.
DL_API OnnxFile to_onnx(const Graph& graph, const std::map<std::string, Tensor>& values,
                        const OnnxOptions& options = {});

// What each node becomes, for --check.
struct OnnxRow {
  std::string layer, op, origin;
  std::string onnx;   // operator types, "Erf Mul"; empty when there is no ONNX form
  int64_t opset = 0;  // least opset of these
};
DL_API std::vector<OnnxRow> onnx_mapping(const Graph& graph);

}  // namespace dl
