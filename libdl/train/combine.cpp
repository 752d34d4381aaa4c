#include "train/combine.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {

double at(const Tensor& t, int64_t i) {
  const auto k = static_cast<size_t>(i);
  return t.dtype() == DType::f64 ? t.data<double>()[k] : static_cast<double>(t.data<float>()[k]);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

Head combined_head(const Head& head, Ensemble method) {
  Head h = head;
  if (is_regression(head.form) && (method == Ensemble::geometric || method == Ensemble::vote))
    throw Error(Exit::config, "/eval/ensemble",
                str("output '", head.output, "' holds numbers, expected \"average\""));
  if (is_classification(head.form)) {
    h.form = OutputForm::probabilities;
    h.columns = head.form == OutputForm::binary_logits ? 2 : head.columns;
  }
  if (has_labels(head.form)) h.form = OutputForm::label_probabilities;
  return h;
}

Tensor probabilities_of(const Head& head, const Tensor& outputs, double temperature) {
  const int64_t rows = head.columns == 0 ? 0 : outputs.elements() / head.columns;
  const bool binary = head.form == OutputForm::binary_logits;
  const int64_t columns = binary ? 2 : head.columns;
  Tensor t(DType::f64, {rows, columns});
  const std::span<double> p = t.data<double>();
  for (int64_t r = 0; r < rows; ++r) {
    const auto row = p.subspan(static_cast<size_t>(r * columns), static_cast<size_t>(columns));
    if (binary) {
      row[1] = sigmoid(at(outputs, r) / temperature);
      row[0] = sigmoid(-at(outputs, r) / temperature);
      continue;
    }
    for (int64_t c = 0; c < columns; ++c) {
      const bool logits = head.form == OutputForm::logits || head.form == OutputForm::label_logits;
      const double x = at(outputs, r * columns + c) / (logits ? temperature : 1);
      const bool logarithm = head.form == OutputForm::log_probabilities;
      row[static_cast<size_t>(c)] = head.form == OutputForm::label_logits ? sigmoid(x)
                                    : logarithm                           ? std::exp(x)
                                                                          : x;
    }
    if (head.form != OutputForm::logits) continue;
    const double top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& x : row) sum += x = std::exp(x - top);
    for (double& x : row) x /= sum;
  }
  return t;
}

void Combiner::add(const Tensor& outputs) {
  Tensor p = probabilities_of(head_, outputs, temperature_);
  const std::span<double> values = p.data<double>();
  const auto columns = static_cast<size_t>(p.shape()[1]);
  const double least = std::numeric_limits<double>::min();
  if (method_ == Ensemble::geometric && has_labels(head_.form))
    for (double& v : values) v = std::log(std::max(v, least)) - std::log(std::max(1 - v, least));
  else if (method_ == Ensemble::geometric)
    for (double& v : values) v = std::log(std::max(v, least));
  if (method_ == Ensemble::vote && has_labels(head_.form))
    for (double& v : values) v = v >= 0.5;
  if (method_ == Ensemble::vote && is_classification(head_.form))
    for (size_t i = 0; i < values.size(); i += columns) {
      const std::span<double> row = values.subspan(i, columns);
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      std::fill(row.begin(), row.end(), 0.0);
      row[static_cast<size_t>(best)] = 1;
    }
  if (answers_++ == 0) {
    sum_ = std::move(p);
    return;
  }
  const std::span<double> sum = sum_.data<double>();
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
}

Tensor Combiner::take() {
  const std::span<double> values = sum_.data<double>();
  const auto columns = static_cast<size_t>(sum_.shape()[1]);
  for (double& v : values) v /= static_cast<double>(answers_);
  if (method_ == Ensemble::geometric) {
    const bool labels = has_labels(head_.form);
    for (size_t i = 0; i < values.size() && !labels; i += columns) {
      const std::span<double> row = values.subspan(i, columns);
      double sum = 0;
      for (double& v : row) sum += v = std::exp(v);
      for (double& v : row) v /= sum;
    }
    if (labels)
      for (double& v : values) v = sigmoid(v);
  }
  answers_ = 0;
  return std::move(sum_);
}

}  // namespace dl
