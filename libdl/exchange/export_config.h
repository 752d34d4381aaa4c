#pragma once
// The config section "export".
#include <array>
#include <string>

#include "base/fields.h"

namespace dl {

enum class ExportFormat { onnx, c, safetensors };
constexpr auto enum_names(const ExportFormat*) {
  return std::to_array<std::string_view>({"onnx", "c", "safetensors"});
}

enum class ExportWeights { f32, f16, bf16, int8 };
constexpr auto enum_names(const ExportWeights*) {
  return std::to_array<std::string_view>({"f32", "f16", "bf16", "int8"});
}

struct ExportConfig {
  ExportFormat format = ExportFormat::onnx;
  ExportWeights weights = ExportWeights::f32;
  std::string name;
  int64_t opset = 0;
  bool strip = false;
  bool verify = true;
  double rtol = 1e-5, atol = 1e-7;
  int64_t samples = 8;
};
constexpr auto fields(const ExportConfig*) {
  return std::tuple{
      field("format", &ExportConfig::format, "What is written."),
      field("weights", &ExportConfig::weights,
            "Numbers of the weights. int8 is for C: of dense layers and convolutions, each output with a "
            "scale of "
            "its own. f16 and bf16 are for safetensors."),
      field("name", &ExportConfig::name,
            "Of the functions of a C source, NAME_run(); empty: that of the model."),
      field("opset", &ExportConfig::opset, "Of an ONNX file; 0: the lowest that serves all layers.")
          .range(0, 23),
      field("strip", &ExportConfig::strip, "Leave names, class names and metadata out of an ONNX file."),
      field("verify", &ExportConfig::verify,
            "Compute with what was written (ONNX: by an independent interpreter; C: compiled) and compare "
            "with the "
            "network; nothing is written when they differ."),
      field("rtol", &ExportConfig::rtol,
            "Difference allowed, as a part of the largest magnitude of an output.")
          .range(0, 1),
      field("atol", &ExportConfig::atol, "Difference allowed in addition.").at_least(0),
      field("samples", &ExportConfig::samples,
            "How many samples of each kind, random and given, are compared.")
          .range(1, 100000),
  };
}

}  // namespace dl
