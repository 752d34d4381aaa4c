#pragma once
// Networks from ONNX files.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "io/model_file.h"
#include "nn/model.h"

namespace dl {

struct ImportedNetwork {
  json model;            // the config section "model": inputs, layers, outputs
  TensorMap parameters;  // by leaf name
  struct Port {
    std::string name;
    TensorType type;  // of one sample
  };
  std::vector<Port> inputs, outputs;
  // What the file does to an input before its first layer, if it is a difference and a factor.
  std::map<std::string, Standardization> normalization;
  std::map<std::string, std::string> metadata;
  std::string producer;
  int64_t batch = 0;  // the extent that the file is fixed to; 0: any
  std::string bytes;  // the file again, with names of inputs and outputs as above
};

// Nodes become layers; those of constants alone are computed, and what ONNX needs several nodes for (GELU, swish) is found
// again. Layers take the names of their parameters ("conv1.weight") where these have such names. Bytes from anywhere give a
// network or an Error: data for what is no ONNX file or contradicts itself, config for a node that is not supported, which the
// message names with the operators that are.
DL_API ImportedNetwork from_onnx(std::string_view bytes);

// The operators that from_onnx() knows, sorted.
DL_API std::vector<std::string> onnx_import_operators();

}  // namespace dl
