#pragma once
// The config section "eval".
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/augment.h"
#include "passes/precision.h"
#include "train/combine.h"

namespace dl {

struct EvalConfig {
  std::string split;
  int64_t batch_size = 256;
  double bench_seconds = 2;
  Precision precision = Precision::f32;
  std::vector<std::string> metrics;
  std::vector<std::string> gates;
  std::optional<double> threshold;
  std::string positive;
  std::vector<std::vector<double>> costs;
  int64_t bins = 15;
  double temperature = 1;
  std::vector<std::string> by;
  int64_t bootstrap = 0;
  double confidence = 0.95;
  Ensemble ensemble = Ensemble::none;
  int64_t tta = 0;
  std::vector<Typed<Transform>> augment;
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
      field(
          "threshold", &EvalConfig::threshold,
          "Probability from which on the positive one of two classes, or a label, is said; null: where it is "
          "the larger.")
          .range(0, 1),
      field("positive", &EvalConfig::positive, "The positive one of two classes; empty: the second."),
      field("costs", &EvalConfig::costs,
            "What each mistake costs: one row for each actual class, one number in it for each predicted "
            "class; "
            "for the metric \"cost\"."),
      field("bins", &EvalConfig::bins, "Bins of confidence for ece, mce and the calibration curve.")
          .range(1, 1000),
      field("temperature", &EvalConfig::temperature,
            "Logits are divided by it before they become probabilities; dl-eval --calibrate finds the best "
            "one.")
          .range(1e-3, 1e3),
      field("by", &EvalConfig::by,
            "Group columns of the data set whose values get metrics of their own, or \"predicted\", or the "
            "name "
            "of a target of classes."),
      field("bootstrap", &EvalConfig::bootstrap,
            "Resamples for the intervals of the metrics; 0: no intervals. Keeps all outputs in memory.")
          .range(0, 1e6),
      field("confidence", &EvalConfig::confidence, "How often an interval is to hold the true value.")
          .range(0.5, 0.9999),
      field("ensemble", &EvalConfig::ensemble,
            "How several models become one answer: the average of their probabilities, their geometric mean, "
            "or "
            "a vote; none: each is judged alone."),
      field(
          "tta", &EvalConfig::tta,
          "Test-time augmentation: answers to this many augmented copies of a sample are averaged with that "
          "to itself.")
          .range(0, 10000),
      field("augment", &EvalConfig::augment, "The transforms of test-time augmentation, as in \"augment\"."),
  };
}

}  // namespace dl
