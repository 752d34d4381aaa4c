#include "train/metrics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "train/tallies.h"

namespace dl {
namespace {

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
  return kUndefined;
}

// Into probabilities; returns the logarithm of that of `label`.
double softmax(OutputForm form, const std::vector<double>& row, std::vector<double>& out, size_t label) {
  if (form == OutputForm::probabilities) {
    out = row;
    return std::log(row[label] == 0 ? kLeastFloat : row[label]);
  }
  if (form == OutputForm::log_probabilities) {
    for (size_t i = 0; i < row.size(); ++i) out[i] = std::exp(row[i]);
    return row[label];
  }
  const double top = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += out[i] = std::exp(row[i] - top);
  for (double& p : out) p /= sum;
  return row[label] - top - std::log(sum);
}

// log(sigmoid(x)), without overflow.
double log_sigmoid(double x) { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); }

// The name without its last part, which is a rate: "macro." of "macro.f0.5"; the name itself when there is none.
std::string with_f1(std::string_view name) {
  return str(name.substr(0, name.size() - number(beta_of(name)).size()), '1');
}

bool is_scored(std::string_view name) {
  for (std::string_view s : {"roc_auc", "average_precision", "ks", "best_f1", "best_f1_threshold", "youden",
                             "youden_threshold", "median_absolute_error", "relative_absolute_error"})
    if (name == s || name.ends_with(str('.', s))) return true;
  return !std::isnan(lift_percent(name));
}

}  // namespace

struct Metrics::Tallies {
  ClassTally classes;
  LabelTally labels;
  ScoreTally scores;
  ValueTally values;
  size_t positive = 1;              // of two classes
  std::vector<double> row, out, y;  // of one sample
};

std::vector<std::string> metric_names(OutputForm form, int64_t classes) {
  if (is_regression(form))
    return {"loss",
            "mse",
            "rmse",
            "mae",
            "r2",
            "mape",
            "max_error",
            "mean_error",
            "pearson",
            "samples",
            "median_absolute_error",
            "relative_absolute_error",
            "explained_variance",
            "poisson_deviance"};
  std::vector<std::string> names{"loss",    "accuracy",         "hamming_loss",      "log_loss", "brier",
                                 "roc_auc", "weighted.roc_auc", "average_precision", "samples"};
  const std::vector<std::string> rates = rate_names({"sensitivity"});
  for (std::string_view average : {"macro", "micro", "weighted"})
    for (const std::string& rate : rates) names.push_back(str(average, '.', rate));
  if (has_labels(form)) {
    names.insert(names.end(), {"subset_accuracy", "iou", "dice"});
    return names;
  }
  names.insert(names.end(), {"error_rate", "balanced_accuracy", "top_5_accuracy", "ece", "mce", "cohen_kappa",
                             "linear_kappa", "quadratic_kappa", "mcc", "g_mean", "cost"});
  if (classes != 2) return names;
  names.insert(names.end(), rates.begin(), rates.end());
  names.insert(names.end(), {"ks", "lift_10", "best_f1", "best_f1_threshold", "youden", "youden_threshold"});
  return names;
}

bool higher_is_better(std::string_view name) {
  if (name.starts_with("gap.") || name.find(".gap.") != std::string_view::npos) return false;
  for (std::string_view end : {".low", ".high"})
    if (name.ends_with(end)) name.remove_suffix(end.size());
  for (std::string_view low :
       {"loss", "log_loss", "mse", "rmse", "mae", "error_rate", "brier", "ece", "mce", "hamming_loss", "cost",
        "max_error", "median_absolute_error", "relative_absolute_error", "mape", "poisson_deviance"})
    if (name == low || name.ends_with(str('.', low))) return false;
  return true;
}

double beta_of(std::string_view name) {
  for (size_t at = name.rfind('f'); at != std::string_view::npos;
       at = at ? name.rfind('f', at - 1) : at - 1) {
    if (at > 0 && name[at - 1] != '.') continue;
    double v = kUndefined;
    const auto [end, error] = std::from_chars(name.data() + at + 1, name.data() + name.size(), v);
    const bool whole = error == std::errc() && end == name.data() + name.size() && v > 0 && std::isfinite(v);
    // As number() writes it, so that a value has one name.
    if (whole && number(v) == name.substr(at + 1)) return v;
  }
  return kUndefined;
}

double lift_percent(std::string_view name) {
  double v = kUndefined;
  if (!name.starts_with("lift_")) return v;
  const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), v);
  return error == std::errc() && end == name.data() + name.size() && v > 0 && v <= 100 ? v : kUndefined;
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
  return kUndefined;
}

Metrics::Metrics(MetricsSetup setup, const std::string& pointer)
    : setup_(std::move(setup)), tallies_(std::make_unique<Tallies>()) {
  const OutputForm form = setup_.form;
  if (setup_.labels == 0) setup_.labels = setup_.columns;
  if (has_labels(form)) classes_ = setup_.labels;
  if (is_classification(form)) classes_ = form == OutputForm::binary_logits ? 2 : setup_.columns;
  for (auto c = static_cast<int64_t>(setup_.class_names.size()); c < classes_; ++c)
    setup_.class_names.push_back(str(c));
  check_names(pointer);
  std::vector<int64_t> ks;
  if (is_classification(form) && setup_.wanted.empty() && classes_ > 5) ks = {5};
  for (const std::string& name : setup_.wanted)
    if (const int64_t k = top_k_of(name); k > 0 && is_classification(form)) ks.push_back(k);
  std::sort(ks.begin(), ks.end());
  ks.erase(std::unique(ks.begin(), ks.end()), ks.end());

  const bool masks = has_labels(form) && setup_.columns > setup_.labels;
  const bool scored = everything() ? (is_regression(form) ? setup_.columns : classes_) <= kScoredClasses
                                   : std::any_of(setup_.wanted.begin(), setup_.wanted.end(), is_scored);
  if (is_regression(form)) {
    tallies_->values = ValueTally(setup_.columns, scored);
  } else if (has_labels(form)) {
    tallies_->labels = LabelTally(setup_.labels, setup_.columns / std::max<int64_t>(1, setup_.labels));
    if (scored && !masks) tallies_->scores = ScoreTally(setup_.labels, 0);
  } else {
    if (classes_ == 2 && setup_.positive == class_name(0)) tallies_->positive = 0;
    tallies_->classes = ClassTally(setup_, classes_, ks);
    const auto positive = static_cast<int64_t>(tallies_->positive);
    if (scored) tallies_->scores = classes_ == 2 ? ScoreTally(1, positive) : ScoreTally(classes_, 0);
  }
  reset();
}

Metrics::~Metrics() = default;
Metrics::Metrics(Metrics&&) noexcept = default;
Metrics& Metrics::operator=(Metrics&&) noexcept = default;

void Metrics::check_names(const std::string& pointer) const {
  const OutputForm form = setup_.form;
  std::vector<std::string> known = metric_names(form, classes_);
  std::vector<std::string> each = rate_names({"sensitivity"});
  each.insert(each.end(), {"support", "roc_auc", "average_precision"});
  for (int64_t c = 0; c < classes_; ++c)
    for (const std::string& rate : each) known.push_back(str("per_class.", class_name(c), '.', rate));
  for (size_t i = 0; i < setup_.wanted.size(); ++i) {
    const std::string& wanted = setup_.wanted[i];
    std::string name = wanted;
    if (!std::isnan(beta_of(name))) name = with_f1(name);
    if (!std::isnan(lift_percent(name))) name = "lift_10";
    if (top_k_of(name) > 0) name = "top_5_accuracy";
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::vector<std::string> near = closest(wanted, known);
    throw Error(Exit::config, str(pointer, '/', i),
                str("metric '", wanted, "' is not known for this kind of output"),
                str(near.empty() ? "known: " : "closest: ",
                    join(near.empty() ? metric_names(form, classes_) : near, ", ")));
  }
  if (!std::isnan(setup_.threshold) && classes_ != 2 && !has_labels(form))
    throw Error(Exit::config, "/eval/threshold", "is for two classes or for labels, the output has neither");
  if (!setup_.positive.empty()) {
    std::span<const std::string> names = setup_.class_names;
    if (!is_classification(form) || classes_ != 2 ||
        std::find(names.begin(), names.end(), setup_.positive) == names.end())
      throw Error(Exit::config, "/eval/positive", str("'", setup_.positive, "' is none of two classes"),
                  str("the classes are ", join(names, ", ")));
  }
  if (setup_.costs.empty()) return;
  bool square = is_classification(form) && static_cast<int64_t>(setup_.costs.size()) == classes_;
  for (const auto& row : setup_.costs) square = square && static_cast<int64_t>(row.size()) == classes_;
  if (!square)
    throw Error(Exit::config, "/eval/costs",
                str("expected ", classes_, " rows (actual) of ", classes_, " numbers (predicted)"));
}

const std::vector<int64_t>& Metrics::confusion() const { return tallies_->classes.confusion(); }
const std::vector<Metrics::Bin>& Metrics::calibration() const { return tallies_->classes.bins(); }

int64_t Metrics::bytes_per_sample() const {
  if (tallies_->values.keeps()) return 16 * setup_.columns;
  return 9 * tallies_->scores.columns();
}

void Metrics::reset() {
  samples_ = loss_rows_ = 0;
  loss_ = 0;
  tallies_->classes.reset();
  tallies_->labels.reset();
  tallies_->scores.reset();
  tallies_->values.reset();
}

void Metrics::add_loss(double mean, int64_t rows) {
  loss_ += mean * static_cast<double>(rows);
  loss_rows_ += rows;
}

void Metrics::add(const Tensor& outputs, const Tensor& targets, int64_t rows) {
  if (rows < 0) rows = setup_.columns == 0 ? 0 : outputs.elements() / setup_.columns;
  const bool fits = outputs.elements() >= rows * setup_.columns &&
                    targets.elements() >= (is_classification(setup_.form) ? rows : rows * setup_.columns);
  if (!fits)
    throw Error(Exit::data,
                str("metrics: outputs ", outputs.type().text(), " and targets ", targets.type().text(),
                    " do not hold ", rows, " samples of ", setup_.columns, " numbers"));
  for (int64_t r = 0; r < rows; ++r) add_row(outputs, targets, r);
}

void Metrics::add_rows(const Tensor& outputs, const Tensor& targets, std::span<const int64_t> rows) {
  for (int64_t r : rows) add_row(outputs, targets, r);
}

void Metrics::add_row(const Tensor& outputs, const Tensor& targets, int64_t r) {
  Tallies& t = *tallies_;
  const OutputForm form = setup_.form;
  const int64_t n = setup_.columns;
  if (is_regression(form)) {
    for (int64_t c = 0; c < n; ++c)
      t.values.add(static_cast<size_t>(c), element(outputs, r * n + c), element(targets, r * n + c));
    ++samples_;
    return;
  }
  if (has_labels(form)) {
    t.out.resize(static_cast<size_t>(n));
    t.y.resize(static_cast<size_t>(n));
    double log_loss = 0;
    for (int64_t c = 0; c < n; ++c) {
      const auto k = static_cast<size_t>(c);
      const bool logits = form == OutputForm::label_logits;
      const double x = element(outputs, r * n + c) / (logits ? setup_.temperature : 1);
      t.y[k] = element(targets, r * n + c);
      t.out[k] = logits ? 1 / (1 + std::exp(-x)) : x;
      const double yes = logits ? log_sigmoid(x) : std::log(std::max(x, kLeastFloat)),
                   no = logits ? log_sigmoid(-x) : std::log(std::max(1 - x, kLeastFloat));
      log_loss -= t.y[k] * yes + (1 - t.y[k]) * no;
      if (t.scores.columns() > 0) t.scores.add(t.out[k], t.y[k] >= 0.5);
    }
    t.labels.add(t.out, t.y, log_loss, std::isnan(setup_.threshold) ? 0.5 : setup_.threshold);
    ++samples_;
    return;
  }
  const bool binary = form == OutputForm::binary_logits;
  t.row.assign(static_cast<size_t>(classes_), 0);
  t.out.resize(static_cast<size_t>(classes_));
  if (binary)
    t.row[1] = element(outputs, r);
  else
    for (int64_t c = 0; c < classes_; ++c) t.row[static_cast<size_t>(c)] = element(outputs, r * classes_ + c);
  if (binary || form == OutputForm::logits)
    for (double& x : t.row) x /= setup_.temperature;
  double target = 0;
  const int64_t count = outputs.elements() / n;
  if (classes_ > 1 && targets.elements() == count * classes_ && targets.shape().rank() > 1) {
    for (int64_t c = 1; c < classes_; ++c)
      if (element(targets, r * classes_ + c) > element(targets, r * classes_ + static_cast<int64_t>(target)))
        target = static_cast<double>(c);
  } else {
    target = element(targets, r);
  }
  if (!(target >= 0 && target < static_cast<double>(classes_) && target == std::floor(target)))
    throw Error(Exit::data, str("sample ", samples_, ": label ", target, " is out of range, expected 0 to ",
                                classes_ - 1));
  const auto label = static_cast<size_t>(target);
  const double log_probability = softmax(form, t.row, t.out, label);
  size_t guess = first_of(t.row);
  if (classes_ == 2 && !std::isnan(setup_.threshold))
    guess = t.out[t.positive] >= setup_.threshold ? t.positive : 1 - t.positive;
  // A NaN logit of a binary output leaves nothing to compare with: count it as the wrong class.
  if (binary && std::isnan(t.row[1])) guess = 1 - label;
  t.classes.add(t.row, t.out, log_probability, label, guess);
  if (t.scores.columns() == 1 && classes_ == 2)
    t.scores.add(t.out[t.positive], label == t.positive);
  else if (t.scores.columns() > 0)
    for (size_t c = 0; c < t.out.size(); ++c) t.scores.add(t.out[c], label == c);
  ++samples_;
}

MetricList Metrics::values() const {
  MetricList all, each;
  if (loss_rows_ > 0 || !setup_.wanted.empty()) all.push_back({"loss", mean_of(loss_, loss_rows_)});
  if (is_regression(setup_.form)) tallies_->values.append(all);
  if (has_labels(setup_.form)) tallies_->labels.append(all, each, setup_);
  if (is_classification(setup_.form)) tallies_->classes.append(all, each, setup_);
  if (tallies_->scores.columns() > 0) tallies_->scores.append(all, each, setup_);
  all.insert(all.end(), each.begin(), each.end());
  all.push_back({"samples", static_cast<double>(samples_)});
  if (setup_.wanted.empty()) return all;
  MetricList chosen;
  for (const std::string& name : setup_.wanted) chosen.push_back({name, metric_value(all, name)});
  return chosen;
}

}  // namespace dl
