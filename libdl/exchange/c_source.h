#pragma once
// Networks as C: one C99 source that needs no library but the standard one, and its header.
#include <map>
#include <string>
#include <vector>

#include "base/export.h"
#include "graph/graph.h"

namespace dl {

enum class CWeights { f32, int8 };

struct COptions {
  std::string name = "network";  // of the functions, NAME_run(); see c_name()
  CWeights weights = CWeights::f32;
  std::string producer_version = {};
  // Class names by output, and how many samples' values are meant for each input, for comments and tables.
  std::map<std::string, std::vector<std::string>> classes = {};
};

struct CSource {
  std::string source;  // holds the header's text too, behind the same guard: it compiles alone
  std::string header;
  int64_t weight_bytes = 0, memory_floats = 0;
  // What the source computes with: equal to the given graph, except for int8, where weights are those that the 8 bits stand
  // for.
  Graph graph;
  struct Port {
    std::string name, parameter;  // as in the network, and as in the C function
    int64_t elements = 0;         // of one sample
  };
  std::vector<Port> inputs, outputs;  // in the order of the function's parameters
};

// `graph` is what lower() gives for a batch of one. Inputs of any type are floats in C. With int8, each row of outputs of a
// dense layer or convolution has its own scale: largest magnitude / 127, and what the weights become is in CSource::graph.
// Errors: Exit::config with the layer's name and place for an operator that has no C form.
DL_API CSource to_c(const Graph& graph, const COptions& options = {});

// What each node of such a graph becomes, for --check.
struct CRow {
  std::string layer, op, origin;
  std::string functions;  // "border conv2d"; empty when there is no C form
};
DL_API std::vector<CRow> c_mapping(const Graph& graph);

// A name for C: letters, digits and underscores of `text`, never a keyword of C or C++.
DL_API std::string c_name(const std::string& text);

}  // namespace dl
