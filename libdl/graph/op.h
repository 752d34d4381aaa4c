#pragma once
// The operator contract. An operator is a value of type OpDef, defined in ops/; the graph only knows what a definition
// looks like. Its gradient is built from other operators, so no pass and no device treats backward code specially.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "tensor/tensor.h"

namespace dl {

struct Graph;
struct Node;
struct OpDef;

using ValueId = int32_t;
inline constexpr ValueId kNone = -1;  // an absent optional input, or no gradient

// Types in, types out: the only place where shapes are checked.
struct DL_API InferCtx {
  std::string_view op;                    // for messages
  std::span<const TensorType* const> in;  // null: absent optional input
  const void* attrs;
  std::vector<TensorType> out;  // to be filled
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
  const TensorType& x(size_t i) const { return *in[i]; }
  bool has(size_t i) const { return i < in.size() && in[i]; }
  [[noreturn]] void fail(const std::string& message) const;  // Error (config) "<op>: <message>"
  void require(bool ok, const std::string& message) const {
    if (!ok) fail(message);
  }
};

// Builds the gradient of one node as further nodes. `dy[i]` is the gradient of output i, kNone where none arrives;
// `dx[i]` is to be set for each input that needs one (see needs()); *_grad operators write, they never accumulate.
struct DL_API GradCtx {
  Graph& graph;
  const Node& node;
  std::span<const ValueId> dy;
  std::vector<ValueId> dx;   // sized to the inputs, filled with kNone
  std::vector<bool> wanted;  // per input
  bool needs(size_t i) const { return wanted[i]; }
  ValueId x(size_t i) const;      // input i of the node
  ValueId y(size_t i = 0) const;  // output i of the node
  const TensorType& type(ValueId v) const;
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs().get());
  }
  Attrs attrs() const;
  // Adds a node with the same origin as the forward node; returns its outputs (the first one).
  std::vector<ValueId> emit_all(const OpDef& op, std::vector<ValueId> in, Attrs attrs = {});
  ValueId emit(const OpDef& op, std::vector<ValueId> in, Attrs attrs = {}) {
    return emit_all(op, std::move(in), std::move(attrs))[0];
  }
};

// The exact ONNX counterpart, or empty. `attrs` is JSON that is merged with the node's own ONNX attributes.
// What is not one node to one node is written in exchange/.
struct OnnxMap {
  std::string_view op_type = {};
  int opset = 0;
  std::string_view attrs = "{}";
};

enum Trait : uint32_t {
  kElementwise =
      1,  // output 0 has the shape of input 0, and element i depends on element i of same-shaped inputs only
  kInPlace = 2,  // output i may share the memory of input in_place[i]
  kView = 4,     // output 0 holds the bytes of input 0 in the same order (reshape)
  kRandom = 8,   // draws random numbers: never merged with an equal node
  kUpdate = 16,  // produces new values of parameters or state
  kCommutative = 32,
};

struct OpDef {
  std::string_view name;  // JSON "type", enum value, kernel, file, test, manual heading, profile label
  std::string_view doc;   // first sentence becomes the schema description
  // Names of operands: "x w b?" (optional) or "x..." (one or more). From it come arity and the manual.
  std::string_view args = "x";
  std::string_view results = "y";
  const AttrOps* attrs = &attr_ops<NoAttrs>;
  uint32_t traits = 0;
  // With kInPlace: in_place[i] is the input whose memory output i may take; -1 none.
  int8_t in_place[4] = {0, -1, -1, -1};
  OnnxMap onnx = {};
  void (*infer)(InferCtx&) = nullptr;           // required
  void (*grad)(GradCtx&) = nullptr;             // null: not differentiable
  int64_t (*flops)(const InferCtx&) = nullptr;  // multiply and add count as two; null: one per output element
};

// Number of operands a signature string allows.
struct Arity {
  int least, most;  // most = -1: any number
  bool optional(size_t i) const { return most >= 0 && i >= static_cast<size_t>(least); }
};
DL_API Arity arity_of(std::string_view signature);

DL_API void infer_same_as_first(InferCtx& c);

}  // namespace dl
