#pragma once
// The config section "export".
#include <array>
#include <string>

#include "base/fields.h"

namespace dl {

enum class ExportFormat { onnx };
constexpr auto enum_names(const ExportFormat*) { return std::to_array<std::string_view>({"onnx"}); }

struct ExportConfig {
  ExportFormat format = ExportFormat::onnx;
  bool verify = true;
  double rtol = 1e-5, atol = 1e-7;
  int64_t samples = 8;
};
constexpr auto fields(const ExportConfig*) {
  return std::tuple{
      field("format", &ExportConfig::format, "What is written."),
      field("verify", &ExportConfig::verify,
            "Evaluate the written bytes with an independent interpreter and compare with the network; "
            "nothing is written "
            "when they differ."),
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
