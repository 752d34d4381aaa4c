#include "train/monitor.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "train/metrics.h"

namespace dl {
namespace {

bool has_metric(const json& metrics, const std::string& path) {
  const size_t dot = path.find('.');
  const auto part = metrics.find(path.substr(0, dot));
  return dot != std::string::npos && part != metrics.end() && part->contains(path.substr(dot + 1));
}

// By name of a dotted path in {"train": {...}, "valid": {...}}; NaN when it is absent or not finite.
double metric_at(const json& metrics, const std::string& path) {
  const size_t dot = path.find('.');
  const auto part = metrics.find(path.substr(0, dot));
  if (dot == std::string::npos || part == metrics.end()) return NAN;
  const auto value = part->find(path.substr(dot + 1));
  return value == part->end() || !value->is_number() ? NAN : value->get<double>();
}

bool improves(const std::string& metric, double now, const std::optional<double>& best, double min_delta) {
  if (std::isnan(now)) return false;
  if (!best) return true;
  return higher_is_better(metric) ? now > *best + min_delta : now < *best - min_delta;
}

}  // namespace

std::vector<std::string> watched_metrics(const TrainConfig& config, OutputForm form) {
  std::vector<std::string> out{"loss"};
  out.insert(out.end(), config.metrics.begin(), config.metrics.end());
  const auto add = [&](const std::string& name) {
    if (name.empty()) return;
    const std::string metric = name.substr(name.find('.') + 1);
    if (std::find(out.begin(), out.end(), metric) == out.end()) out.push_back(metric);
  };
  add(config.save.best);
  if (config.early_stopping) add(config.early_stopping->metric);
  if (const PlateauRule* rule = plateau_of(config.schedule)) add(rule->metric);
  if (out.size() == 1) out.push_back(is_regression(form) ? "rmse" : "accuracy");
  return out;
}

void check_watched(const TrainConfig& config, const std::string& split) {
  const auto check = [&](const std::string& name, const char* pointer) {
    if (name.empty()) return;
    const bool train = name == "train.loss" || (config.train_metrics && name.starts_with("train."));
    if (!train && !name.starts_with("valid."))
      throw Error(
          Exit::config, pointer,
          str("'", name, "' is no metric of a run, expected train.loss or valid.<metric>"),
          name.starts_with("train.") ? "train.train_metrics computes the others on the training part" : "");
    if (!train && split.empty())
      throw Error(
          Exit::config, pointer,
          str("'", name, "' needs validation data, but the data set has no split '", config.valid_split, "'"),
          "give --valid FILE, or split some off with dl-prep");
    if (!train && config.validate_every == "never")
      throw Error(Exit::config, pointer, str("'", name, "' is never computed"),
                  "train.validate_every says how often");
  };
  check(config.save.best, "/train/save/best");
  if (config.early_stopping) check(config.early_stopping->metric, "/train/early_stopping/metric");
  if (const PlateauRule* rule = plateau_of(config.schedule)) check(rule->metric, "/train/schedule/metric");
}

bool note_metrics(const TrainConfig& config, const json& metrics, RunCounters& counters) {
  counters.metrics = metrics;
  bool is_best = false;
  if (has_metric(metrics, config.save.best)) {
    const double now = metric_at(metrics, config.save.best);
    is_best = improves(config.save.best, now, counters.best, 0);
    if (is_best) {
      counters.best = now;
      counters.best_epoch = counters.epoch;
      counters.best_metrics = metrics;
    }
  }
  if (!config.early_stopping || !has_metric(metrics, config.early_stopping->metric)) return is_best;
  const EarlyStopping& s = *config.early_stopping;
  const double now = metric_at(metrics, s.metric);
  if (s.diverged_at && !improves(s.metric, now, s.diverged_at, 0)) counters.diverged = true;
  if (improves(s.metric, now, counters.stopping_best, s.min_delta)) {
    counters.stopping_best = now;
    counters.bad_epochs = 0;
  } else if (counters.epoch > s.start_from_epoch) {
    ++counters.bad_epochs;
  }
  return is_best;
}

// Mean and variance of the steps before, the newer the heavier.
std::string note_loss(double loss, RunCounters& counters) {
  constexpr double kWeight = 0.02, kDeviations = 8;
  constexpr int64_t kLeast = 50;  // steps before anything is judged
  RunCounters::LossTrend& t = counters.trend;
  const double before = t.mean, deviation = std::sqrt(t.variance), off = loss - t.mean;
  const bool spike = t.steps >= kLeast && off > kDeviations * deviation && loss > 2 * std::abs(t.mean);
  const double weight = std::max(kWeight, 1 / static_cast<double>(t.steps + 1));
  t.mean += weight * off;
  t.variance = (1 - weight) * (t.variance + weight * off * off);
  ++t.steps;
  if (!spike || t.warned_epoch == counters.epoch + 1) return "";
  t.warned_epoch = counters.epoch + 1;
  return str("step ", counters.step, ": the loss is ", number(static_cast<float>(loss)),
             ", where those before were about ", number(static_cast<float>(before)),
             ": the learning rate may be too high, or a batch be bad");
}

void note_plateau(const Schedule& schedule, const json& metrics, RunCounters& c) {
  const PlateauRule* rule = plateau_of(schedule);
  if (!rule || !has_metric(metrics, rule->metric)) return;
  const double now = metric_at(metrics, rule->metric);
  const bool better = improves(rule->metric, now, c.plateau_best, rule->min_delta);
  if (better) c.plateau_best = now;
  if (better || c.plateau_rest > 0)
    c.plateau_bad = 0;
  else
    ++c.plateau_bad;
  if (c.plateau_rest > 0) --c.plateau_rest;
  if (c.plateau_bad < rule->patience) return;
  c.plateau_factor = std::max(rule->min, c.plateau_factor * rule->factor);
  c.plateau_bad = 0;
  c.plateau_rest = rule->cooldown;
}

bool stopped_early(const TrainConfig& config, const RunCounters& counters) {
  return config.early_stopping &&
         (counters.diverged || counters.bad_epochs >= config.early_stopping->patience);
}

bool run_is_over(const TrainConfig& config, int64_t total_steps, const RunCounters& counters) {
  return counters.epoch >= config.epochs || counters.step >= total_steps || stopped_early(config, counters);
}

std::string why_stopped(const TrainConfig& config, const RunCounters& counters) {
  if (!stopped_early(config, counters)) return "";
  const std::string& metric = config.early_stopping->metric;
  return counters.diverged ? str(metric, " is beyond ", number(*config.early_stopping->diverged_at))
                           : str(metric, " has not improved for ", counters.bad_epochs, " validations");
}

json validation_entry(const json& metrics, int64_t step) {
  json entry{{"step", step}};
  for (const auto& part : metrics.items())
    for (const auto& m : part.value().items()) entry[str(part.key(), '.', m.key())] = m.value();
  return entry;
}

json history_entry(const json& metrics, int64_t epoch, const RunCounters& counters, double learning_rate) {
  json entry = validation_entry(metrics, counters.step);
  entry["epoch"] = epoch;
  entry["lr"] = learning_rate;
  if (!counters.validations.empty()) entry["validations"] = counters.validations;
  return entry;
}

std::string describe_metrics(const std::string& what, const json& metrics) {
  std::string line = what;
  for (const auto& part : metrics.items())
    for (const auto& m : part.value().items())
      if (m.value().is_number()) {
        char text[32];
        std::snprintf(text, sizeof text, "%.4f", m.value().get<double>());
        line += str("  ", part.key(), '.', m.key(), ' ', text);
      }
  return line;
}

}  // namespace dl
