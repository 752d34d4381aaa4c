#pragma once
// The intermediate representation: a graph is a value, data only, in static single assignment form. Nodes stand in
// an order in which they can run. Passes take a graph and return a graph.
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graph/op.h"
#include "tensor/tensor.h"

namespace dl {

enum class ValueKind : uint8_t {
  computed,   // output of a node
  input,      // given anew for every step: samples, labels, "learning_rate", "step"
  parameter,  // persistent, has a gradient unless frozen
  state,      // persistent, no gradient: running statistics, momentum
  constant,   // fixed data, held by the graph
};
DL_API std::string_view name_of(ValueKind k);

struct Value {
  ValueKind kind = ValueKind::computed;
  TensorType type;
  std::string name;   // unique for leaves; may be empty for computed values
  int32_t node = -1;  // producer; -1 for leaves
  int32_t index = 0;  // which of its outputs
};

enum class Phase : uint8_t { forward, backward, update };
DL_API std::string_view name_of(Phase p);

struct Node {
  const OpDef* op = nullptr;
  std::vector<ValueId> in, out;
  Attrs attrs;         // never null
  std::string name;    // layer name: "conv2d_1"; backward nodes carry their forward node's
  std::string origin;  // JSON pointer of the place in the config that made it
  Phase phase = Phase::forward;
};

struct GraphOutput {
  std::string name;
  ValueId value;
};
struct Update {
  ValueId state, next;
};  // after a step, `state` holds `next`

struct DL_API Graph {
  std::string name;
  std::deque<Value> values;  // a deque: references such as type() gives outlive the adding of nodes
  std::vector<Node> nodes;
  std::vector<GraphOutput> outputs;
  std::vector<Update> updates;
  std::map<ValueId, Tensor> constants;

  const TensorType& type(ValueId v) const { return values[static_cast<size_t>(v)].type; }
  const Value& value(ValueId v) const { return values[static_cast<size_t>(v)]; }
  const Node* producer(ValueId v) const;           // null for leaves
  ValueId find(std::string_view leaf_name) const;  // kNone if there is none
  ValueId output(std::string_view name) const;     // kNone if there is none

  ValueId add_leaf(ValueKind kind, std::string name, TensorType type);
  ValueId add_constant(std::string name, Tensor data);
  // Checks arity, infers types, appends. Errors carry `origin` as JSON pointer and the layer's name.
  std::vector<ValueId> add_node(const OpDef& op, std::vector<ValueId> in, Attrs attrs = {},
                                std::string name = {}, std::string origin = {}, Phase phase = Phase::forward);
  ValueId add(const OpDef& op, std::vector<ValueId> in, Attrs attrs = {}, std::string name = {},
              std::string origin = {}) {
    return add_node(op, std::move(in), std::move(attrs), std::move(name), std::move(origin))[0];
  }
};

// Of one run of the node; multiply and add count as two.
DL_API int64_t node_flops(const Graph& g, const Node& n);

// Throws Error (internal) that names node and rule: ids in range, defined before use, one definition each, types as
// inferred, unique leaf names, updates of the right type, and no read of a state after the node that replaces it.
DL_API void verify(const Graph& g);

// Text form, one line per leaf, node, output and update:
//   graph lenet5
//   %0 = input image : u8[128,1,28,28]
//   %2 = parameter conv2d_1.weight : f32[6,1,5,5]
//   %7 = conv2d(%1, %2, %3) {"stride":[1,1]} : f32[128,6,28,28] ; conv2d_1 @/model/layers/0
//   %9, %10 = batch_norm(...) : f32[...], f32[...]
//   output class %20
//   update %2 <- %40
// print() and parse_graph() are inverse up to constant data, which is printed as its name and type only.
DL_API std::string print(const Graph& g);
// `find_op` looks a definition up by name (ops/registry.h gives one). Errors: Exit::config with line numbers.
DL_API Graph parse_graph(std::string_view text, const OpDef* (*find_op)(std::string_view));

}  // namespace dl
