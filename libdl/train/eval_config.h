#pragma once
// The config section "eval".
#include <string>
#include <vector>

#include "base/fields.h"
#include "passes/precision.h"

namespace dl {

struct EvalConfig {
  std::string split;
  int64_t batch_size = 256;
  double bench_seconds = 2;
  Precision precision = Precision::f32;
  std::vector<std::string> metrics;
  std::vector<std::string> gates;
};
constexpr auto fields(const EvalConfig*) {
  return std::tuple{
      field("split", &EvalConfig::split,
            "Which part of the data; empty: test, else valid, else the only one."),
      field("batch_size", &EvalConfig::batch_size,
            "Samples at a time; the loss depends on it by rounding, nothing else does.")
          .range(1, 1 << 20),
      field("bench_seconds", &EvalConfig::bench_seconds, "How long --bench measures.").range(0.01, 3600),
      field("precision", &EvalConfig::precision,
            "What layers compute with, as in train.precision: f32, tf32, bf16 or f16."),
      field("metrics", &EvalConfig::metrics, "Names of the metrics to report; empty: all that apply."),
      field("gates", &EvalConfig::gates,
            "Conditions such as 'accuracy>=0.98'; a false one makes dl-eval exit with 10."),
  };
}

}  // namespace dl
