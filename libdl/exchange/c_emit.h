#pragma once
// How nodes become calls in C. Internal to the C export.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/c_source.h"
#include "passes/memory.h"

namespace dl {

// Collects the functions, tables and statements of one source. In text, '@' stands for the network's prefix "NAME_".
class CEmitter {
 public:
  CEmitter(Graph& graph, CWeights weights) : graph_(graph), weights_(weights) {}

  // Plans the memory, then turns every node into statements. Error (config) for an operator without a form.
  void run();
  // The functions that a node alone would call; "view" when there is nothing to do, empty when it has no form.
  std::string functions_of(const Node& n);

  // For the emitters of single operators.
  std::string unique(const std::string& stem);  // a name for C that is not used yet
  const Graph& graph() const { return graph_; }
  const Shape& shape(ValueId v) const { return graph_.type(v).shape; }
  const Tensor* constant(ValueId v) const;  // null when v is computed or an input
  json attributes(const Node& n) const { return n.op->attrs->dump(n.attrs.get()); }
  std::string at(ValueId v);  // an expression for the address of its first element; "NULL" for kNone
  std::string scratch(const Node& n) const;
  // Numbers of a node as a table; the name in text.
  std::string floats(const std::string& stem, const std::vector<float>& values);
  std::string sizes(const std::string& stem, const std::vector<int64_t>& values);
  void define(const std::string& text) { tables_ += text; }
  // Weights in the order in which a function reads them: values[i] is of output row_of[i]. Gives the argument of a call, with
  // int8 two of them: "weight, scale".
  struct Packed {
    explicit Packed(int64_t outputs) : rows(outputs) {}
    std::vector<float> values;
    std::vector<int64_t> row_of;
    int64_t rows;
    void add(float value, int64_t row) { values.push_back(value), row_of.push_back(row); }
  };
  std::string weights(const std::string& stem, const Packed& packed);
  // A statement of the network's function that calls one of c_runtime.h.
  void call(const std::string& function, const std::vector<std::string>& arguments);
  void use(const std::string& function);
  void line(const std::string& text);

  // What came of it.
  const std::vector<std::string>& functions() const { return functions_; }
  const std::string& tables() const { return tables_; }
  const std::string& statements() const { return statements_; }
  int64_t weight_bytes() const { return weight_bytes_; }
  int64_t memory_floats() const { return memory_.arena_bytes / static_cast<int64_t>(sizeof(float)); }

 private:
  Graph& graph_;
  CWeights weights_;
  void plan();
  MemoryPlan memory_;
  std::vector<std::string> functions_;  // in the order of first use
  std::map<ValueId, std::string> constants_;
  std::set<std::string> names_;
  std::string tables_, statements_;
  int64_t weight_bytes_ = 0;
};

// Emits one node; false when it has no form in C.
using CEmitFn = bool (*)(CEmitter&, const Node&);
CEmitFn c_emitter(std::string_view op);  // null when there is none
// Floats of scratch memory that the node's function wants.
int64_t c_scratch_floats(const Graph& g, const Node& n);

// Emits one node; false when it has no form in C.
bool emit_c(CEmitter& e, const Node& n);
// Floats of scratch memory that the node's function wants.
int64_t c_scratch_floats(const Graph& g, const Node& n);
// What 8 bits make of the weights of dense layers and convolutions: per output, the largest magnitude becomes 127.
void round_to_int8(Graph& g);

}  // namespace dl
