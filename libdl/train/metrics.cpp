#include "train/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLeastFloat = 0x1p-149;

double element(const Tensor& t, int64_t i) {
  const auto k = static_cast<size_t>(i);
  switch (t.dtype()) {
    case DType::f32:
      return static_cast<double>(t.data<float>()[k]);
    case DType::f64:
      return t.data<double>()[k];
    case DType::i32:
      return t.data<int32_t>()[k];
    case DType::i64:
      return static_cast<double>(t.data<int64_t>()[k]);
    case DType::u8:
      return t.data<uint8_t>()[k];
    case DType::bf16:
    case DType::f16:
      break;
  }
  return kNaN;
}

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }
double mean_of(double sum, int64_t n) { return n == 0 ? kNaN : sum / static_cast<double>(n); }

// log(p[label]) of softmax(scores).
double log_softmax_at(const std::vector<double>& scores, size_t label) {
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double s : scores) sum += std::exp(s - top);
  return scores[label] - top - std::log(sum);
}

double log_probability(OutputForm form, const std::vector<double>& row, size_t label) {
  if (form == OutputForm::log_probabilities) return row[label];
  if (form == OutputForm::probabilities) return std::log(row[label] == 0 ? kLeastFloat : row[label]);
  return log_softmax_at(row, label);
}

// The first of the largest probabilities of row r.
double most_probable(const Tensor& targets, int64_t r, int64_t classes) {
  int64_t best = 0;
  for (int64_t c = 1; c < classes; ++c)
    if (element(targets, r * classes + c) > element(targets, r * classes + best)) best = c;
  return static_cast<double>(best);
}

// Whether class i stands before class c in the order (score descending, class ascending, NaN last).
bool stands_before(const std::vector<double>& scores, size_t i, size_t c) {
  const bool unknown_i = std::isnan(scores[i]), unknown_c = std::isnan(scores[c]);
  if (unknown_i != unknown_c) return unknown_c;
  if (!unknown_i && scores[i] != scores[c]) return scores[i] > scores[c];
  return i < c;
}

int64_t rank_of(const std::vector<double>& scores, size_t c) {
  int64_t before = 0;
  for (size_t i = 0; i < scores.size(); ++i) before += stands_before(scores, i, c);
  return before;
}

size_t first_of(const std::vector<double>& scores) {
  size_t best = 0;
  for (size_t i = 1; i < scores.size(); ++i)
    if (stands_before(scores, i, best)) best = i;
  return best;
}

struct Rates {
  double precision, recall, f1;
};

Rates rates_of(double right, double predicted, double actual) {
  if (predicted == 0 && actual == 0) return {kNaN, kNaN, kNaN};
  return {ratio(right, predicted), ratio(right, actual), ratio(2 * right, predicted + actual)};
}

void append_rates(MetricList& out, const std::string& prefix, const Rates& r) {
  out.push_back({prefix + ".precision", r.precision});
  out.push_back({prefix + ".recall", r.recall});
  out.push_back({prefix + ".f1", r.f1});
}

bool is_regression(OutputForm form) { return form == OutputForm::values; }

}  // namespace

std::vector<std::string> metric_names(OutputForm form) {
  if (is_regression(form)) return {"loss", "mse", "rmse", "mae", "r2", "samples"};
  std::vector<std::string> names{"loss", "accuracy", "top_5_accuracy", "log_loss"};
  for (std::string_view average : {"macro", "micro", "weighted"})
    for (std::string_view rate : {"precision", "recall", "f1"}) names.push_back(str(average, '.', rate));
  names.push_back("samples");
  return names;
}

bool higher_is_better(std::string_view name) {
  for (std::string_view low : {"loss", "log_loss", "mse", "rmse", "mae"})
    if (name == low || name.ends_with(str('.', low))) return false;
  return true;
}

int64_t top_k_of(std::string_view name) {
  constexpr std::string_view head = "top_", tail = "_accuracy";
  if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) return 0;
  name = name.substr(head.size(), name.size() - head.size() - tail.size());
  if (name[0] == '0') return 0;
  int64_t k = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), k);
  return error == std::errc() && end == name.data() + name.size() && k > 0 ? k : 0;
}

double metric_value(const MetricList& list, std::string_view name) {
  for (const Metric& m : list)
    if (m.name == name) return m.value;
  return kNaN;
}

Metrics::Metrics(MetricsSetup setup, const std::string& pointer) : setup_(std::move(setup)) {
  const OutputForm form = setup_.form;
  if (!is_regression(form)) {
    classes_ = form == OutputForm::binary_logits ? 2 : setup_.columns;
    for (auto c = static_cast<int64_t>(setup_.class_names.size()); c < classes_; ++c)
      setup_.class_names.push_back(str(c));
    if (setup_.wanted.empty() && classes_ > 5) ks_ = {5};
  }
  std::vector<std::string> known = metric_names(form);
  for (int64_t c = 0; c < classes_; ++c)
    for (std::string_view rate : {"precision", "recall", "f1", "support"})
      known.push_back(str("per_class.", class_name(c), '.', rate));
  for (size_t i = 0; i < setup_.wanted.size(); ++i) {
    const std::string& name = setup_.wanted[i];
    const int64_t k = is_regression(form) ? 0 : top_k_of(name);
    if (k > 0)
      ks_.push_back(k);
    else if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::vector<std::string> near = closest(name, known);
      throw Error(
          Exit::config, str(pointer, '/', i), str("metric '", name, "' is not known for this kind of output"),
          str(near.empty() ? "known: " : "closest: ", join(near.empty() ? metric_names(form) : near, ", ")));
    }
  }
  std::sort(ks_.begin(), ks_.end());
  ks_.erase(std::unique(ks_.begin(), ks_.end()), ks_.end());
  reset();
}

void Metrics::reset() {
  samples_ = loss_rows_ = 0;
  loss_ = log_loss_ = absolute_ = 0;
  in_top_.assign(ks_.size(), 0);
  counts_.assign(static_cast<size_t>(classes_), {});
  confusion_.assign(static_cast<size_t>(classes_ <= kConfusionLimit ? classes_ * classes_ : 0), 0);
  columns_.assign(static_cast<size_t>(is_regression(setup_.form) ? setup_.columns : 0), {});
}

void Metrics::add_loss(double mean, int64_t rows) {
  loss_ += mean * static_cast<double>(rows);
  loss_rows_ += rows;
}

void Metrics::add(const Tensor& outputs, const Tensor& targets, int64_t rows) {
  if (rows < 0) rows = setup_.columns == 0 ? 0 : outputs.elements() / setup_.columns;
  const bool fits = outputs.elements() >= rows * setup_.columns &&
                    targets.elements() >= (is_regression(setup_.form) ? rows * setup_.columns : rows);
  if (!fits)
    throw Error(Exit::data,
                str("metrics: outputs ", outputs.type().text(), " and targets ", targets.type().text(),
                    " do not hold ", rows, " samples of ", setup_.columns, " numbers"));
  if (is_regression(setup_.form))
    add_values(outputs, targets, rows);
  else
    add_classes(outputs, targets, rows);
}

void Metrics::add_classes(const Tensor& outputs, const Tensor& targets, int64_t rows) {
  const bool binary = setup_.form == OutputForm::binary_logits;
  const bool soft = targets.shape().rank() == 2 && targets.shape()[1] == classes_ && classes_ > 1;
  row_.assign(static_cast<size_t>(classes_), 0);
  for (int64_t r = 0; r < rows; ++r) {
    if (binary)
      row_[1] = element(outputs, r);
    else
      for (int64_t c = 0; c < classes_; ++c)
        row_[static_cast<size_t>(c)] = element(outputs, r * classes_ + c);
    const double target = soft ? most_probable(targets, r, classes_) : element(targets, r);
    if (!(target >= 0 && target < static_cast<double>(classes_) && target == std::floor(target)))
      throw Error(Exit::data, str("sample ", samples_, ": label ", target, " is out of range, expected 0 to ",
                                  classes_ - 1));
    const auto label = static_cast<size_t>(target);
    // A NaN logit of a binary output leaves nothing to compare with: count it as the wrong class.
    const size_t guess = binary && std::isnan(row_[1]) ? 1 - label : first_of(row_);
    const int64_t rank = binary && std::isnan(row_[1]) ? 1 : rank_of(row_, label);
    for (size_t i = 0; i < ks_.size(); ++i) in_top_[i] += rank < ks_[i];
    counts_[label].actual += 1;
    counts_[guess].predicted += 1;
    counts_[label].right += guess == label;
    if (!confusion_.empty()) confusion_[label * static_cast<size_t>(classes_) + guess] += 1;
    log_loss_ -= log_probability(setup_.form, row_, label);
    ++samples_;
  }
}

void Metrics::add_values(const Tensor& outputs, const Tensor& targets, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    ++samples_;
    for (int64_t c = 0; c < setup_.columns; ++c) {
      const double y = element(targets, r * setup_.columns + c);
      const double miss = element(outputs, r * setup_.columns + c) - y;
      Column& col = columns_[static_cast<size_t>(c)];
      const double step = y - col.mean;  // Welford's running mean and sum of squares
      col.mean += step / static_cast<double>(samples_);
      col.spread += step * (y - col.mean);
      col.residual += miss * miss;
      absolute_ += std::abs(miss);
    }
  }
}

void Metrics::append_class_metrics(MetricList& out) const {
  double right = 0;
  Rates macro{0, 0, 0}, weighted{0, 0, 0};
  int64_t present = 0;
  MetricList each;
  for (int64_t c = 0; c < classes_; ++c) {
    const ClassCount& n = counts_[static_cast<size_t>(c)];
    const auto support = static_cast<double>(n.actual);
    const Rates r = rates_of(static_cast<double>(n.right), static_cast<double>(n.predicted), support);
    const std::string prefix = str("per_class.", class_name(c));
    append_rates(each, prefix, r);
    each.push_back({prefix + ".support", support});
    right += static_cast<double>(n.right);
    if (n.predicted == 0 && n.actual == 0) continue;
    ++present;
    macro = {macro.precision + r.precision, macro.recall + r.recall, macro.f1 + r.f1};
    weighted = {weighted.precision + support * r.precision, weighted.recall + support * r.recall,
                weighted.f1 + support * r.f1};
  }
  const auto all = static_cast<double>(samples_);
  out.push_back({"accuracy", mean_of(right, samples_)});
  for (size_t i = 0; i < ks_.size(); ++i)
    out.push_back({str("top_", ks_[i], "_accuracy"), mean_of(static_cast<double>(in_top_[i]), samples_)});
  out.push_back({"log_loss", mean_of(log_loss_, samples_)});
  append_rates(
      out, "macro",
      {mean_of(macro.precision, present), mean_of(macro.recall, present), mean_of(macro.f1, present)});
  append_rates(out, "micro", rates_of(right, all, all));
  append_rates(out, "weighted",
               {mean_of(weighted.precision, samples_), mean_of(weighted.recall, samples_),
                mean_of(weighted.f1, samples_)});
  out.insert(out.end(), each.begin(), each.end());
}

void Metrics::append_value_metrics(MetricList& out) const {
  double squares = 0, explained = 0;
  for (const Column& c : columns_) {
    squares += c.residual;
    explained += c.spread > 0 ? 1 - c.residual / c.spread : kNaN;
  }
  const double mse = mean_of(squares, samples_ * setup_.columns);
  out.push_back({"mse", mse});
  out.push_back({"rmse", std::sqrt(mse)});
  out.push_back({"mae", mean_of(absolute_, samples_ * setup_.columns)});
  out.push_back({"r2", mean_of(explained, setup_.columns)});
}

MetricList Metrics::values() const {
  MetricList all;
  if (loss_rows_ > 0 || !setup_.wanted.empty()) all.push_back({"loss", mean_of(loss_, loss_rows_)});
  if (is_regression(setup_.form))
    append_value_metrics(all);
  else
    append_class_metrics(all);
  all.push_back({"samples", static_cast<double>(samples_)});
  if (setup_.wanted.empty()) return all;
  MetricList chosen;
  for (const std::string& name : setup_.wanted) chosen.push_back({name, metric_value(all, name)});
  return chosen;
}

}  // namespace dl
