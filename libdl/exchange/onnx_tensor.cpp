// Tensors of ONNX files, as numbers.
#include <bit>
#include <cmath>
#include <cstring>

#include "exchange/onnx_ops.h"

namespace dl {
namespace {

double from_bf16(uint16_t v) {
  return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(v) << 16));
}

double from_f16(uint16_t v) {
  const int exponent = v >> 10 & 31, mantissa = v & 1023;
  const double sign = v >> 15 ? -1 : 1;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24));
}

template <class T, class Convert>
void copy_raw(const std::string& raw, std::vector<double>& out, Convert convert) {
  out.resize(raw.size() / sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    T v;
    std::memcpy(&v, raw.data() + i * sizeof(T), sizeof(T));
    out[i] = convert(v);
  }
}
template <class T>
void copy_raw(const std::string& raw, std::vector<double>& out) {
  copy_raw<T>(raw, out, [](T v) { return static_cast<double>(v); });
}

// From raw_data, else from the list for the type; false for a type that is not known.
bool copy_numbers(const onnx::TensorProto& t, std::vector<double>& out) {
  const bool raw = t.has_raw_data();
  const auto list = [&](const auto& values) { out.assign(values.begin(), values.end()); };
  const auto halves = [&](double (*convert)(uint16_t)) {
    for (int32_t v : t.int32_data()) out.push_back(convert(static_cast<uint16_t>(v)));
  };
  switch (t.data_type()) {
    case onnx::TensorProto::FLOAT:
      return raw ? copy_raw<float>(t.raw_data(), out) : list(t.float_data()), true;
    case onnx::TensorProto::DOUBLE:
      return raw ? copy_raw<double>(t.raw_data(), out) : list(t.double_data()), true;
    case onnx::TensorProto::INT64:
      return raw ? copy_raw<int64_t>(t.raw_data(), out) : list(t.int64_data()), true;
    case onnx::TensorProto::INT32:
      return raw ? copy_raw<int32_t>(t.raw_data(), out) : list(t.int32_data()), true;
    case onnx::TensorProto::UINT8:
    case onnx::TensorProto::BOOL:
      return raw ? copy_raw<uint8_t>(t.raw_data(), out) : list(t.int32_data()), true;
    case onnx::TensorProto::INT8:
      return raw ? copy_raw<int8_t>(t.raw_data(), out) : list(t.int32_data()), true;
    case onnx::TensorProto::FLOAT16:
      return raw ? copy_raw<uint16_t>(t.raw_data(), out, from_f16) : halves(from_f16), true;
    case onnx::TensorProto::BFLOAT16:
      return raw ? copy_raw<uint16_t>(t.raw_data(), out, from_bf16) : halves(from_bf16), true;
    default:
      return false;
  }
}

}  // namespace

OnnxValue onnx_tensor(const onnx::TensorProto& t) {
  const std::string where = str("ONNX tensor '", t.name(), "': ");
  if (t.data_location() == onnx::TensorProto::EXTERNAL)
    throw Error(Exit::config, {}, str(where, "its numbers are in another file, expected them inside"),
                "onnx.save(onnx.load(FILE), OUT) puts them inside");
  OnnxValue v{t.data_type(), Extents(t.dims().begin(), t.dims().end()), {}};
  if (!copy_numbers(t, v.v))
    throw Error(Exit::config, str(where, "element type ", t.data_type(), " is not known"));
  double n = 1;
  for (int64_t extent : v.shape) n *= extent < 0 ? NAN : static_cast<double>(extent);
  if (n != static_cast<double>(v.v.size()) || v.shape.size() > 16)
    throw Error(Exit::data, str(where, "has ", v.v.size(), " numbers, its extents say ", n));
  return v;
}

}  // namespace dl
