// How the network learnt: curves over the epochs, and what they say.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/str.h"
#include "report/figures.h"
#include "report/look_inside.h"
#include "report/sections.h"
#include "train/evaluate_text.h"

namespace dl {
namespace {

// Points (epoch, value) of one key of the history.
Series curve_of(const json& history, const std::string& key) {
  Series s{.name = key};
  for (const json& epoch : history) {
    const auto v = epoch.find(key), at = epoch.find("epoch");
    if (v != epoch.end() && v->is_number() && at != epoch.end() && at->is_number())
      s.points.emplace_back(at->get<double>(), v->get<double>());
  }
  s.mark = s.points.size() < 30 ? PlotMark::line_and_dots : PlotMark::line;
  return s;
}

std::vector<std::string> keys_of(const json& history) {
  std::map<std::string, bool> keys;
  for (const json& epoch : history)
    for (const auto& item : epoch.items())
      if (item.value().is_number()) keys[item.key()] = true;
  std::vector<std::string> out;
  for (const auto& [key, seen] : keys) out.push_back(key);
  return out;
}

// What the losses of training and validation say together.
std::string reading(const Series& train, const Series& valid) {
  if (train.points.size() < 2 || valid.points.size() < 2) return "";
  const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto best = *std::min_element(valid.points.begin(), valid.points.end(), less);
  const auto last = valid.points.back(), last_train = train.points.back();
  const double gap = last.second - last_train.second;
  std::string out = str("The lowest validation loss is ", metric_text(best.second), ", after epoch ",
                        short_number(best.first), ". ");
  if (best.first < last.first && last.second > 1.05 * best.second)
    out +=
        "It has risen since while training went on: the network began to learn its training samples by "
        "heart. "
        "Early stopping, more data or augmentation, or stronger regularisation would help. ";
  else if (best.first == last.first)
    out += "It was still falling at the end: more epochs may give more. ";
  out += str("At the end the validation loss is ", metric_text(std::abs(gap)), gap >= 0 ? " above" : " below",
             " the training loss.");
  if (gap < 0) out += " That is usual where dropout or augmentation make training samples harder.";
  return str("<p class=\"verdict\">", html_escape(out), "</p>");
}

// Error rate on at most 2,000 samples of the training part; NaN where there is none.
double training_error(const ReportContext& c) {
  const Dataset& data = *c.in.data;
  if (c.evaluation().split == "train" || !data.has("train") || data.rows("train") == 0) return NAN;
  Inside inside(*c.in.network, c.head.output);
  const std::vector<int64_t> rows = spread_rows(data.rows("train"), 2000);
  constexpr size_t kBatch = 250;
  MetricsSetup setup = c.metrics().setup();
  setup.form = OutputForm::probabilities;
  setup.columns = c.probabilities.shape()[1];
  setup.wanted = {"accuracy"};
  Metrics metrics(setup);
  for (size_t first = 0; first < rows.size(); first += kBatch) {
    const std::vector<int64_t> some(
        rows.begin() + static_cast<std::ptrdiff_t>(first),
        rows.begin() + static_cast<std::ptrdiff_t>(std::min(rows.size(), first + kBatch)));
    const Target& target = *data.schema().target(c.head.target);
    TensorType type{target.type.dtype, {static_cast<int64_t>(some.size())}};
    for (int64_t d : target.type.shape) type.shape.push_back(d);
    Tensor truth(type);
    std::vector<void*> columns(data.schema().columns(), nullptr);
    columns[column_of(data.schema(), c.head.target)] = truth.raw();
    data.gather("train", some, columns);
    metrics.add(inside.probabilities(inputs_of(data, c.in.network->schema(), "train", some)), truth);
  }
  return 1 - metrics.values().front().value;
}

}  // namespace

void add_learning(HtmlPage& page, const ReportInputs& in) {
  if (in.history.empty()) return;
  std::map<std::string, std::vector<Series>> plots;  // by metric, "train" and "valid" in one
  for (const std::string& key : keys_of(in.history)) {
    const size_t dot = key.find('.');
    if (dot == std::string::npos) continue;
    Series s = curve_of(in.history, key);
    s.color = key.starts_with("train.") ? 1 : 0;
    s.name = key.substr(0, dot);
    plots[key.substr(dot + 1)].push_back(std::move(s));
  }
  std::vector<Plot> parts;
  const auto plot = [&](const std::string& name, const std::vector<Series>& series) {
    parts.push_back(Plot{.x_label = "epoch", .series = series, .width = 420, .height = 280, .title = name});
  };
  if (plots.contains("loss")) plot("loss", plots["loss"]);
  for (const auto& [name, series] : plots)
    if (name != "loss" && parts.size() < 7) plot(name, series);
  if (const Series lr = curve_of(in.history, "lr"); !lr.points.empty()) {
    Series s = lr;
    s.name = "";
    s.color = 4;
    plot("learning rate", {s});
  }
  const Series train = curve_of(in.history, "train.loss"), valid = curve_of(in.history, "valid.loss");
  std::vector<std::string> columns{"epoch"};
  for (const std::string& key : keys_of(in.history))
    if (key != "epoch") columns.push_back(key);
  std::vector<std::vector<std::string>> rows;
  for (const json& epoch : in.history) {
    std::vector<std::string> row;
    for (const std::string& key : columns)
      row.push_back(epoch.contains(key) && epoch[key].is_number() ? short_number(epoch[key].get<double>())
                                                                  : "");
    rows.push_back(std::move(row));
  }
  page.section("How it learnt",
               side_by_side(parts) + reading(train, valid) +
                   details(str("All ", rows.size(), " epochs as a table"), html_table(columns, rows)));
}

void add_diagnosis(HtmlPage& page, const ReportContext& c) {
  if (!is_classification(c.head.form)) return;
  const double train = training_error(c);
  if (std::isnan(train)) return;
  const double here = metric_value(c.metrics().values(), "error_rate");
  const double people = c.in.human_error, floor = std::isnan(people) ? 0 : people;
  if (std::isnan(here)) return;
  std::vector<LabelledShare> bars;
  if (!std::isnan(people)) bars.push_back({"people", people});
  bars.push_back({"training part", train});
  bars.push_back({"split " + c.evaluation().split, here});
  const double bias = train - floor, variance = here - train;
  std::string verdict = str(
      "Avoidable bias (training error above ", std::isnan(people) ? "zero" : "that of people",
      "): ", metric_text(std::max(bias, 0.0)),
      ". Variance (error on new samples above training error): ", metric_text(std::max(variance, 0.0)), ". ");
  if (std::max(bias, variance) < 0.005)
    verdict += "Both are small.";
  else if (bias > variance)
    verdict += "The bias is the larger: a larger network, longer training or a better optimiser pays most.";
  else
    verdict += "The variance is the larger: more data, augmentation or regularisation pays most.";
  page.section("Bias and variance",
               share_bars(bars) + str("<p class=\"verdict\">", html_escape(verdict), "</p>"),
               "Error rates; that of the training part from at most 2,000 of its samples.");
}

json history_from_events(std::string_view text, const std::string& name) {
  std::map<int64_t, json> epochs;
  int64_t number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const json event = json::parse(line, nullptr, false);
    if (!event.is_object())
      throw Error(Exit::data, str(name, ":", number, ": is no event, expected one JSON object"));
    if (event.value("event", std::string()) != "epoch" || !event.contains("metrics")) continue;
    json entry{{"epoch", event.value("epoch", 0)},
               {"step", event.value("step", 0)},
               {"lr", event.value("learning_rate", 0.0)}};
    for (const auto& part : event["metrics"].items())
      if (part.value().is_object())
        for (const auto& m : part.value().items()) entry[str(part.key(), '.', m.key())] = m.value();
    epochs[entry["epoch"].get<int64_t>()] = entry;
  }
  if (epochs.empty()) throw Error(Exit::data, str(name, ": has no event \"epoch\""));
  json out = json::array();
  for (auto& [epoch, entry] : epochs) out.push_back(std::move(entry));
  return out;
}

}  // namespace dl
