#include "exchange/onnx_ops.h"

namespace dl {

const onnx::AttributeProto* OnnxCall::attribute(std::string_view name) const {
  for (const auto& a : node.attribute())
    if (a.name() == name) return &a;
  return nullptr;
}

int64_t OnnxCall::integer(std::string_view name, int64_t otherwise) const {
  const auto* a = attribute(name);
  if (a) require(a->type() == onnx::AttributeProto::INT, str("attribute ", name, " is not an integer"));
  return a ? a->i() : otherwise;
}

double OnnxCall::real(std::string_view name, double otherwise) const {
  const auto* a = attribute(name);
  if (a) require(a->type() == onnx::AttributeProto::FLOAT, str("attribute ", name, " is not a float"));
  return a ? static_cast<double>(a->f()) : otherwise;
}

std::string OnnxCall::text(std::string_view name, const std::string& otherwise) const {
  const auto* a = attribute(name);
  if (a) require(a->type() == onnx::AttributeProto::STRING, str("attribute ", name, " is not a string"));
  return a ? a->s() : otherwise;
}

Extents OnnxCall::integers(std::string_view name, const Extents& otherwise) const {
  const auto* a = attribute(name);
  if (a)
    require(a->type() == onnx::AttributeProto::INTS, str("attribute ", name, " is not a list of integers"));
  return a ? Extents(a->ints().begin(), a->ints().end()) : otherwise;
}

Extents OnnxCall::extents(size_t i) const {
  require(x(i).type == onnx::TensorProto::INT64 && x(i).shape.size() <= 1,
          str("operand ", i, " is not a list of int64"));
  return Extents(x(i).v.begin(), x(i).v.end());
}

double OnnxCall::number(size_t i) const {
  require(x(i).size() == 1, str("operand ", i, " is not one number"));
  return x(i).v[0];
}

void OnnxCall::fail(const std::string& message) const {
  throw Error(Exit::data, str("ONNX node '", node.name(), "' (", node.op_type(), "): ", message));
}

int64_t onnx_count(const Extents& shape, size_t from, size_t to) {
  int64_t n = 1;
  for (size_t i = from; i < to; ++i) n *= shape[i];
  return n;
}

OnnxValue onnx_zeros(int32_t type, Extents shape) {
  constexpr double kMost = 2147483648.0;
  double n = 1;
  for (int64_t extent : shape) n *= extent < 0 ? kMost + 1 : static_cast<double>(extent);
  if (n > kMost) throw Error(Exit::data, "ONNX value with a negative extent or above 2^31 elements");
  OnnxValue v{type, std::move(shape), {}};
  v.v.assign(static_cast<size_t>(n), 0.0);
  return v;
}

Extents onnx_broadcast(const OnnxCall& call, const Extents& a, const Extents& b) {
  Extents out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1, db = i < b.size() ? b[b.size() - 1 - i] : 1;
    call.require(da == db || da == 1 || db == 1, str("extents ", da, " and ", db, " do not broadcast"));
    out[out.size() - 1 - i] = da == 1 ? db : da;
  }
  return out;
}

int64_t onnx_source(const Extents& from, const Extents& to, int64_t i) {
  int64_t index = 0, stride = 1;
  for (size_t k = 0; k < from.size(); ++k) {
    const int64_t here = i % to[to.size() - 1 - k], extent = from[from.size() - 1 - k];
    i /= to[to.size() - 1 - k];
    if (extent != 1) index += here * stride;
    stride *= extent;
  }
  return index;
}

}  // namespace dl
