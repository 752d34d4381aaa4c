#include "train/monitor.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "train/metrics.h"

namespace dl {
namespace {

// By name of a dotted path in {"train": {...}, "valid": {...}}; NaN when it is absent.
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

std::vector<std::string> validation_metrics(const TrainConfig& config, OutputForm form) {
  std::vector<std::string> out{"loss"};
  out.insert(out.end(), config.metrics.begin(), config.metrics.end());
  const auto add = [&](const std::string& name) {
    if (!name.starts_with("valid.")) return;
    const std::string metric = name.substr(6);
    if (std::find(out.begin(), out.end(), metric) == out.end()) out.push_back(metric);
  };
  add(config.save.best);
  if (config.early_stopping) add(config.early_stopping->metric);
  if (const PlateauRule* rule = plateau_of(config.schedule)) add(rule->metric);
  if (out.size() == 1) out.push_back(form == OutputForm::values ? "rmse" : "accuracy");
  return out;
}

void check_watched(const TrainConfig& config, const std::string& split) {
  const auto check = [&](const std::string& name, const char* pointer) {
    if (name.empty()) return;
    const bool train = name == "train.loss";
    if (!train && !name.starts_with("valid."))
      throw Error(Exit::config, pointer,
                  str("'", name, "' is no metric of a run, expected train.loss or valid.<metric>"));
    if (!train && split.empty())
      throw Error(
          Exit::config, pointer,
          str("'", name, "' needs validation data, but the data set has no split '", config.valid_split, "'"),
          "give --valid FILE, or split some off with dl-prep");
  };
  check(config.save.best, "/train/save/best");
  if (config.early_stopping) check(config.early_stopping->metric, "/train/early_stopping/metric");
  if (const PlateauRule* rule = plateau_of(config.schedule)) check(rule->metric, "/train/schedule/metric");
}

bool note_epoch(const TrainConfig& config, const json& metrics, RunCounters& counters) {
  counters.metrics = metrics;
  bool is_best = false;
  if (!config.save.best.empty()) {
    const double now = metric_at(metrics, config.save.best);
    is_best = improves(config.save.best, now, counters.best, 0);
    if (is_best) {
      counters.best = now;
      counters.best_epoch = counters.epoch;
      counters.best_metrics = metrics;
    }
  }
  if (config.early_stopping) {
    const EarlyStopping& s = *config.early_stopping;
    const double now = metric_at(metrics, s.metric);
    if (improves(s.metric, now, counters.stopping_best, s.min_delta)) {
      counters.stopping_best = now;
      counters.bad_epochs = 0;
    } else {
      ++counters.bad_epochs;
    }
  }
  return is_best;
}

void note_plateau(const Schedule& schedule, const json& metrics, RunCounters& c) {
  const PlateauRule* rule = plateau_of(schedule);
  if (!rule) return;
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
  return config.early_stopping && counters.bad_epochs >= config.early_stopping->patience;
}

std::string describe_epoch(const json& metrics, int64_t epoch, int64_t epochs) {
  std::string line = str("epoch ", epoch, '/', epochs);
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
