#include "report/report.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "nn/summary.h"
#include "report/figures.h"
#include "report/sections.h"
#include "train/combine.h"
#include "train/evaluate_text.h"

namespace dl {
namespace {

constexpr const char* kHeadline[] = {"accuracy", "balanced_accuracy",
                                     "macro.f1", "f1",
                                     "roc_auc",  "average_precision",
                                     "log_loss", "ece",
                                     "mcc",      "iou",
                                     "dice",     "rmse",
                                     "mae",      "r2",
                                     "mape",     "max_error"};

ReportContext context_of(const ReportInputs& in, size_t index) {
  const Evaluation& e = *in.evaluation;
  ReportContext c{in, e.heads[index], index, {}, {}, {}};
  c.probabilities = probabilities_of(c.head, e.kept[index].outputs, e.metrics[index].setup().temperature);
  if (!is_classification(c.head.form)) return c;
  const Tensor& targets = e.kept[index].targets;
  const int64_t columns = c.probabilities.shape()[1];
  const double threshold = e.metrics[index].setup().threshold;
  const auto& names = e.metrics[index].setup();
  const int64_t positive = names.positive == e.metrics[index].class_name(0) ? 0 : 1;
  for (int64_t i = 0; i < c.samples(); ++i) {
    int64_t truth = 0, guess = 0;
    for (int64_t k = 1; k < columns; ++k) {
      if (c.probability(i, k) > c.probability(i, guess)) guess = k;
      if (targets.dtype() == DType::f32 &&
          targets.data<float>()[static_cast<size_t>(i * columns + k)] >
              targets.data<float>()[static_cast<size_t>(i * columns + truth)])
        truth = k;
    }
    if (targets.dtype() == DType::i32) truth = targets.data<int32_t>()[static_cast<size_t>(i)];
    if (columns == 2 && !std::isnan(threshold))
      guess = c.probability(i, positive) >= threshold ? positive : 1 - positive;
    c.truth.push_back(truth);
    c.guess.push_back(guess);
  }
  return c;
}

std::string title_of(const ReportInputs& in) {
  const json model = in.network->model().config.value("model", json::object());
  const json name = model.value("name", json());
  return name.is_string() && !name.get<std::string>().empty() ? name.get<std::string>() : in.model_name;
}

}  // namespace

const Input* ReportContext::image() const {
  for (const Input& i : in.network->schema().inputs)
    if (i.role == Role::image) return &i;
  return nullptr;
}

void add_summary(HtmlPage& page, const ReportContext& c) {
  std::vector<Card> list;
  const MetricList values = c.metrics().values();
  const auto interval = [&](const std::string& name) -> std::string {
    if (c.in.intervals.size() <= c.index) return "";
    for (const ConfidenceInterval& i : c.in.intervals[c.index])
      if (i.name == name) return str(metric_text(i.low), " to ", metric_text(i.high));
    return "";
  };
  if (c.index == 0 && c.evaluation().loss_samples > 0)
    list.push_back(
        {"loss", metric_text(c.evaluation().loss / static_cast<double>(c.evaluation().loss_samples))});
  for (const char* name : kHeadline) {
    const double v = metric_value(values, name);
    if (!std::isnan(v) && list.size() < 8) list.push_back({name, metric_text(v), interval(name)});
  }
  list.push_back({"samples", grouped(c.samples())});
  list.push_back({"parameters", grouped(summarize(c.in.network->network(1)).parameters)});
  page.section(c.evaluation().heads.size() > 1 ? "Output " + c.head.output : "", cards(list));
}

void add_groups(HtmlPage& page, const ReportContext& c) {
  if (c.in.breakdowns.size() <= c.index) return;
  for (const Breakdown& b : c.in.breakdowns[c.index]) {
    std::vector<std::string> columns{"metric"};
    for (const Breakdown::Row& row : b.rows) columns.push_back(row.part);
    columns.emplace_back("gap");
    std::vector<std::vector<std::string>> rows;
    for (size_t m = 0; m < b.metrics.size(); ++m) {
      std::vector<std::string> line{b.metrics[m]};
      for (const Breakdown::Row& row : b.rows) line.push_back(metric_text(row.values[m]));
      line.push_back(m == 0 ? "" : metric_text(b.gaps[m]));
      rows.push_back(std::move(line));
    }
    page.section("By " + b.by, html_table(columns, rows), "The gap is the largest value less the smallest.");
  }
}

void add_origin(HtmlPage& page, const ReportInputs& in) {
  const Summary summary = summarize(in.network->network(1));
  std::vector<std::vector<std::string>> rows;
  for (const SummaryRow& r : summary.rows)
    rows.push_back(
        {r.name, r.type, r.output, grouped(r.parameters), grouped(r.multiply_adds), r.receptive_field});
  std::string body =
      html_table({"layer", "type", "output", "parameters", "multiply-adds", "field of view"}, rows);
  body +=
      "<h3>Origin</h3>" + html_table({"what", "value"}, {{"model", in.model_name},
                                                         {"model hash", in.network->model().content_hash},
                                                         {"data", in.data_name},
                                                         {"data hash", in.data->artifact().content_hash()},
                                                         {"split", in.evaluation->split}});
  body += details("Configuration", str("<pre>", html_escape(in.network->model().config.dump(2)), "</pre>"));
  page.section("Network and origin", body);
}

std::string report_html(const ReportInputs& in) {
  const Evaluation& e = *in.evaluation;
  HtmlPage page(title_of(in), str(in.model_name, " on ", in.data_name, ", split ", e.split));
  page.style(figure_style());
  for (size_t h = 0; h < e.heads.size(); ++h) {
    const ReportContext c = context_of(in, h);
    add_summary(page, c);
    if (h == 0) add_learning(page, in);
    add_diagnosis(page, c);
    if (is_classification(c.head.form)) {
      add_classes(page, c);
      add_curves(page, c);
      add_mistakes(page, c);
    } else if (has_labels(c.head.form)) {
      add_labels(page, c);
    } else {
      add_numbers(page, c);
    }
    add_groups(page, c);
    add_inside(page, c);
  }
  add_origin(page, in);
  return page.text();
}

}  // namespace dl
