#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "train/tallies.h"

namespace dl {
namespace {

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

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

}  // namespace

size_t first_of(const std::vector<double>& scores) {
  size_t best = 0;
  for (size_t i = 1; i < scores.size(); ++i)
    if (stands_before(scores, i, best)) best = i;
  return best;
}

double rate(std::string_view name, const Counts& n) {
  if (n.predicted == 0 && n.actual == 0) return kUndefined;
  if (name == "precision") return ratio(n.right, n.predicted);
  if (name == "recall" || name == "sensitivity") return ratio(n.right, n.actual);
  if (name == "jaccard") return ratio(n.right, n.predicted + n.actual - n.right);
  if (name == "specificity") return ratio(n.all - n.actual - n.predicted + n.right, n.all - n.actual);
  const double b2 = beta_of(name) * beta_of(name);
  return ratio((1 + b2) * n.right, b2 * n.actual + n.predicted);
}

std::vector<std::string> rate_names(const std::vector<std::string>& wanted) {
  std::vector<std::string> names{"precision", "recall", "f1", "specificity", "jaccard"};
  for (const std::string& w : wanted) {
    std::string name;
    if (const double beta = beta_of(w); !std::isnan(beta)) name = str('f', beta);
    if (w == "sensitivity" || w.ends_with(".sensitivity")) name = "sensitivity";
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

void append_rates(MetricList& out, MetricList& each, const std::vector<Counts>& counts,
                  const MetricsSetup& setup) {
  const std::vector<std::string> names = rate_names(setup.wanted);
  std::vector<double> macro(names.size()), weighted(names.size());
  Counts pooled;
  int64_t present = 0;
  for (size_t c = 0; c < counts.size(); ++c) {
    const Counts& n = counts[c];
    const std::string prefix = str("per_class.", setup.class_names[c], '.');
    const bool known = n.predicted > 0 || n.actual > 0;
    present += known;
    for (size_t i = 0; i < names.size(); ++i) {
      const double v = rate(names[i], n);
      each.push_back({prefix + names[i], v});
      if (known) macro[i] += v, weighted[i] += n.actual * v;
    }
    each.push_back({prefix + "support", n.actual});
    pooled = {pooled.right + n.right, pooled.predicted + n.predicted, pooled.actual + n.actual,
              pooled.all + n.all};
  }
  const auto average = [&](const char* which, auto value) {
    for (size_t i = 0; i < names.size(); ++i) out.push_back({str(which, '.', names[i]), value(i)});
  };
  average("macro", [&](size_t i) { return mean_of(macro[i], present); });
  average("micro", [&](size_t i) { return pooled.all == 0 ? 0 : rate(names[i], pooled); });
  average("weighted",
          [&](size_t i) { return pooled.actual == 0 ? kUndefined : weighted[i] / pooled.actual; });
}

ClassTally::ClassTally(const MetricsSetup& setup, int64_t classes, std::vector<int64_t> ks)
    : classes_(classes), ks_(std::move(ks)) {
  if (classes == 2 && setup.positive == setup.class_names[0]) positive_ = 0;
  bins_.resize(static_cast<size_t>(setup.bins));
}

void ClassTally::reset() {
  samples_ = 0;
  log_loss_ = brier_ = 0;
  in_top_.assign(ks_.size(), 0);
  counts_.assign(static_cast<size_t>(classes_), {});
  confusion_.assign(static_cast<size_t>(classes_ <= Metrics::kConfusionLimit ? classes_ * classes_ : 0), 0);
  bins_.assign(bins_.size(), {});
}

void ClassTally::add(const std::vector<double>& scores, const std::vector<double>& probabilities,
                     double log_probability, size_t label, size_t guess) {
  ++samples_;
  if (!ks_.empty()) {
    const int64_t rank = rank_of(scores, label);
    for (size_t i = 0; i < ks_.size(); ++i) in_top_[i] += rank < ks_[i];
  }
  counts_[label].actual += 1;
  counts_[guess].predicted += 1;
  counts_[label].right += guess == label;
  if (!confusion_.empty()) confusion_[label * static_cast<size_t>(classes_) + guess] += 1;
  log_loss_ -= log_probability;
  for (size_t c = 0; c < probabilities.size(); ++c) {
    const double miss = probabilities[c] - (c == label);
    if (classes_ != 2 || static_cast<int64_t>(c) == positive_) brier_ += miss * miss;
  }
  const double confidence = probabilities[guess], last = static_cast<double>(bins_.size()) - 1;
  if (std::isnan(confidence)) return;
  // Bin i holds (i / n, (i + 1) / n].
  const double at = std::ceil(confidence * static_cast<double>(bins_.size())) - 1;
  Metrics::Bin& bin = bins_[static_cast<size_t>(std::clamp(at, 0.0, last))];
  bin.samples += 1;
  bin.right += guess == label;
  bin.confidence += confidence;
}

void ClassTally::append_agreement(MetricList& out, const MetricsSetup& setup) const {
  const auto all = static_cast<double>(samples_);
  double right = 0, recall = 0, log_recall = 0, chance = 0, actual2 = 0, predicted2 = 0;
  int64_t present = 0;
  for (const Counts& n : counts_) {
    right += n.right;
    chance += n.actual * n.predicted;
    actual2 += n.actual * n.actual;
    predicted2 += n.predicted * n.predicted;
    if (n.actual == 0) continue;
    ++present;
    recall += n.right / n.actual;
    log_recall += std::log(n.right / n.actual);
  }
  const double accuracy = mean_of(right, samples_);
  out.push_back({"accuracy", accuracy});
  out.push_back({"error_rate", 1 - accuracy});
  out.push_back({"balanced_accuracy", mean_of(recall, present)});
  for (size_t i = 0; i < ks_.size(); ++i)
    out.push_back({str("top_", ks_[i], "_accuracy"), mean_of(static_cast<double>(in_top_[i]), samples_)});
  out.push_back({"log_loss", mean_of(log_loss_, samples_)});
  out.push_back({"brier", mean_of(brier_, samples_)});
  append_calibration(out);
  // Kappa with weights |i - j|^power of a disagreement; power 0: every disagreement counts alike.
  const auto kappa = [&](int power) {
    double seen = 0, expected = 0;
    for (size_t a = 0; a < counts_.size(); ++a)
      for (size_t p = 0; p < counts_.size(); ++p) {
        const double w =
            a == p ? 0 : std::pow(std::abs(static_cast<double>(a) - static_cast<double>(p)), power);
        seen += w * static_cast<double>(confusion_[a * counts_.size() + p]);
        expected += w * counts_[a].actual * counts_[p].predicted / all;
      }
    return expected == 0 ? kUndefined : 1 - seen / expected;
  };
  out.push_back(
      {"cohen_kappa", all * all == chance ? kUndefined : (all * right - chance) / (all * all - chance)});
  if (!confusion_.empty() && classes_ > 2) {
    out.push_back({"linear_kappa", kappa(1)});
    out.push_back({"quadratic_kappa", kappa(2)});
  }
  const double spread = (all * all - actual2) * (all * all - predicted2);
  out.push_back({"mcc", samples_ == 0 ? kUndefined
                        : spread <= 0 ? 0
                                      : (all * right - chance) / std::sqrt(spread)});
  out.push_back({"g_mean", present == 0 ? kUndefined : std::exp(log_recall / static_cast<double>(present))});
  out.push_back({"hamming_loss", 1 - accuracy});
  if (setup.costs.empty() || confusion_.empty()) return;
  double cost = 0;
  for (size_t i = 0; i < confusion_.size(); ++i)
    cost += static_cast<double>(confusion_[i]) * setup.costs[i / counts_.size()][i % counts_.size()];
  out.push_back({"cost", mean_of(cost, samples_)});
}

void ClassTally::append_calibration(MetricList& out) const {
  double sum = 0, most = 0;
  int64_t samples = 0;
  for (const Metrics::Bin& b : bins_) {
    if (b.samples == 0) continue;
    const double gap = std::abs(static_cast<double>(b.right) - b.confidence);
    samples += b.samples;
    sum += gap;
    most = std::max(most, gap / static_cast<double>(b.samples));
  }
  out.push_back({"ece", mean_of(sum, samples)});
  out.push_back({"mce", samples == 0 ? kUndefined : most});
}

void ClassTally::append(MetricList& out, MetricList& each, const MetricsSetup& setup) const {
  append_agreement(out, setup);
  std::vector<Counts> counts = counts_;
  for (Counts& n : counts) n.all = static_cast<double>(samples_);
  if (classes_ == 2)
    for (const std::string& name : rate_names(setup.wanted))
      out.push_back({name, rate(name, counts[static_cast<size_t>(positive_)])});
  append_rates(out, each, counts, setup);
}

}  // namespace dl
