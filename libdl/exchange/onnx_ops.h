#pragma once
// What an operator of the ONNX reference sees, and the table of them. Internal to libdl_onnx.
#include <onnx/onnx_pb.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/str.h"
#include "exchange/onnx_reference.h"

namespace dl {

using Extents = std::vector<int64_t>;

struct OnnxCall {
  const onnx::NodeProto& node;
  int64_t opset;
  std::vector<const OnnxValue*> in;  // null: absent
  std::vector<OnnxValue> out;        // one for each output of the node

  bool has(size_t i) const { return i < in.size() && in[i]; }
  const OnnxValue& x(size_t i = 0) const {
    if (!has(i)) fail(str("operand ", i, " is missing"));
    return *in[i];
  }
  OnnxValue& y(size_t i = 0) { return out[i]; }
  const onnx::AttributeProto* attribute(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  double real(std::string_view name, double otherwise) const;
  std::string text(std::string_view name, const std::string& otherwise) const;
  Extents integers(std::string_view name, const Extents& otherwise) const;
  // An operand that holds integers (shapes, axes), as extents.
  Extents extents(size_t i) const;
  double number(size_t i) const;  // an operand of one element
  [[noreturn]] void fail(const std::string& message) const;
  void require(bool ok, const std::string& message) const {
    if (!ok) fail(message);
  }
};

using OnnxFn = void (*)(OnnxCall&);
struct OnnxEntry {
  std::string_view type;
  OnnxFn run;
};
// Runs one node; Error (data) when it is not known or its operands do not fit.
void run_onnx_op(OnnxCall& call);
// Error (data) when the numbers are not as many as the extents say; (config) for types that are not known and for numbers in
// another file. Halves become floats.
OnnxValue onnx_tensor(const onnx::TensorProto& t);
// The operators, one table for each file.
std::vector<OnnxEntry> onnx_pointwise_ops();
std::vector<OnnxEntry> onnx_shape_ops();
std::vector<OnnxEntry> onnx_window_ops();
std::vector<OnnxEntry> onnx_matrix_ops();
std::vector<OnnxEntry> onnx_norm_ops();

// Product of extents [from, to).
int64_t onnx_count(const Extents& shape, size_t from, size_t to);
inline int64_t onnx_count(const Extents& shape) { return onnx_count(shape, 0, shape.size()); }
// A tensor of zeros; refuses more than 2^31 elements.
OnnxValue onnx_zeros(int32_t type, Extents shape);
// The extents that both broadcast to (numpy rules).
Extents onnx_broadcast(const OnnxCall& call, const Extents& a, const Extents& b);
// Index into a tensor of extents `from` for element i of extents `to`, from broadcast to it.
int64_t onnx_source(const Extents& from, const Extents& to, int64_t i);

}  // namespace dl
