#pragma once
// A second opinion on an ONNX file: reads the bytes back and evaluates them naively in doubles, with code
// that shares nothing with the kernels. Knows the operators that the exporter writes and their neighbours.
// Slow by design.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "tensor/tensor.h"

namespace dl {

// A tensor of any type, its elements as doubles, row-major.
struct OnnxValue {
  int32_t type = 1;  // TensorProto.DataType: 1 float, 2 uint8, 6 int32, 7 int64, 9 bool, 11 double
  std::vector<int64_t> shape;
  std::vector<double> v;
  int64_t size() const { return static_cast<int64_t>(v.size()); }
};
DL_API OnnxValue onnx_value(const Tensor& t);

class DL_API OnnxReference {
 public:
  // Error (data) when the bytes are no ONNX model; (config) for an operator or attribute that is not known
  // here.
  explicit OnnxReference(std::string_view bytes);
  ~OnnxReference();
  struct Port {
    std::string name;
    int32_t type = 1;
    std::vector<int64_t> shape;  // -1: symbolic
  };
  std::vector<Port> inputs() const, outputs() const;
  std::map<std::string, std::string> metadata() const;
  int64_t opset() const;
  // Evaluates every output. Error (data) when a value does not fit.
  std::map<std::string, OnnxValue> run(const std::map<std::string, OnnxValue>& inputs) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dl
