// Sections about classes and labels: rates, confusions, curves, mistakes.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/str.h"
#include "report/figures.h"
#include "report/look_inside.h"
#include "report/sections.h"
#include "train/curves.h"
#include "train/evaluate_text.h"

namespace dl {
namespace {

constexpr int64_t kMostClasses = 30;  // that a table of confusions shows

std::string rate_table(const ReportContext& c) {
  const Metrics& m = c.metrics();
  MetricsSetup setup = m.setup();
  setup.wanted.clear();
  Metrics all(setup);
  all.add(c.kept().outputs, c.kept().targets);
  const MetricList values = all.values();
  std::vector<std::string> rates{"precision",         "recall", "f1", "specificity", "jaccard", "roc_auc",
                                 "average_precision", "support"};
  std::erase_if(rates, [&](const std::string& r) {
    return std::none_of(values.begin(), values.end(),
                        [&](const Metric& v) { return v.name.ends_with('.' + r); });
  });
  std::vector<std::string> columns{"class"};
  columns.insert(columns.end(), rates.begin(), rates.end());
  columns.back() = "samples";
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const std::string& name, const std::string& prefix) {
    std::vector<std::string> row{name};
    for (const std::string& r : rates) {
      const double v = metric_value(values, str(prefix, '.', r));
      row.push_back(std::isnan(v) ? "" : r == "support" ? str(static_cast<int64_t>(v)) : metric_text(v));
    }
    rows.push_back(std::move(row));
  };
  for (int64_t k = 0; k < m.classes(); ++k) add(m.class_name(k), "per_class." + m.class_name(k));
  for (const char* average : {"macro", "micro", "weighted"}) add(str(average, " average"), average);
  return html_table(columns, rows);
}

struct Confusion {
  int64_t truth, guess, count;
};

std::string confusions(const ReportContext& c, const std::vector<int64_t>& counts) {
  std::vector<Confusion> list;
  const int64_t n = c.metrics().classes();
  std::vector<int64_t> actual(static_cast<size_t>(n));
  for (int64_t t = 0; t < n; ++t)
    for (int64_t g = 0; g < n; ++g) {
      const int64_t count = counts[static_cast<size_t>(t * n + g)];
      actual[static_cast<size_t>(t)] += count;
      if (t != g && count > 0) list.push_back({t, g, count});
    }
  std::stable_sort(list.begin(), list.end(),
                   [](const Confusion& a, const Confusion& b) { return a.count > b.count; });
  std::vector<std::vector<std::string>> rows;
  for (const Confusion& f : list) {
    if (rows.size() == 12) break;
    rows.push_back({c.metrics().class_name(f.truth), c.metrics().class_name(f.guess), str(f.count),
                    metric_text(static_cast<double>(f.count) /
                                static_cast<double>(actual[static_cast<size_t>(f.truth)]))});
  }
  return rows.empty() ? "" : html_table({"actual class", "taken as", "samples", "share of the class"}, rows);
}

std::vector<CurvePoint> curve_of(const ReportContext& c, int64_t column) {
  std::vector<Score> scores;
  for (int64_t i = 0; i < c.samples(); ++i) {
    const bool yes =
        c.truth.empty()
            ? c.kept().targets.data<float>()[static_cast<size_t>(i * c.head.columns + column)] >= 0.5f
            : c.truth[static_cast<size_t>(i)] == column;
    scores.push_back({c.probability(i, column), yes});
  }
  return score_curve(std::move(scores));
}

// At most `most` points, the ends among them.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& p,
                                               size_t most = 200) {
  if (p.size() <= most) return p;
  std::vector<std::pair<double, double>> out;
  for (size_t i = 0; i < most; ++i) out.push_back(p[i * (p.size() - 1) / (most - 1)]);
  return out;
}

// The classes whose curves are shown: the positive one of two, else those with the smallest areas.
std::vector<int64_t> shown_classes(const ReportContext& c) {
  const int64_t n = c.metrics().classes();
  if (n == 2 && !c.truth.empty()) return {c.metrics().setup().positive == c.metrics().class_name(0) ? 0 : 1};
  std::vector<std::pair<double, int64_t>> areas;
  for (int64_t k = 0; k < n; ++k)
    if (const double a = roc_auc(curve_of(c, k)); !std::isnan(a)) areas.emplace_back(a, k);
  std::sort(areas.begin(), areas.end());
  std::vector<int64_t> out;
  for (const auto& [area, k] : areas)
    if (out.size() < 6) out.push_back(k);
  std::sort(out.begin(), out.end());
  return out;
}

// What the best threshold costs, as a share of the worst, for each weight of the positive class: its share times the cost of
// missing it, of both classes together (Drummond and Holte, "Cost curves", Machine Learning 65, 2006).
Plot cost_curve(const std::vector<CurvePoint>& curve) {
  Series best{.name = "best threshold", .color = 0}, same{.name = "one answer for all", .color = 7};
  const auto p = static_cast<double>(curve.back().right), n = static_cast<double>(curve.back().wrong);
  for (int i = 0; i <= 100; ++i) {
    const double weight = i / 100.0;
    double least = std::min(weight, 1 - weight);
    same.points.emplace_back(weight, least);
    for (const CurvePoint& at : curve)
      least = std::min(least, weight * (1 - static_cast<double>(at.right) / p) +
                                  (1 - weight) * static_cast<double>(at.wrong) / n);
    best.points.emplace_back(weight, least);
  }
  return {.x_label = "weight of the positive class",
          .y_label = "normalised cost",
          .series = {best, same},
          .width = 420,
          .height = 320,
          .title = "Cost curve"};
}

// Whether another temperature would be better.
std::string sureness(const ReportContext& c) {
  const Calibration best = calibrate(c.metrics().setup(), c.kept());
  if (c.truth.empty() || !(best.calibrated_log_loss < 0.99 * best.log_loss)) return "";
  return str("<p class=\"verdict\">The network is ",
             best.temperature > c.metrics().setup().temperature ? "too sure" : "not sure enough",
             ": logits divided by ", metric_text(best.temperature), " would give a log loss of ",
             metric_text(best.calibrated_log_loss), " instead of ", metric_text(best.log_loss),
             ", and an expected calibration error of ", metric_text(best.calibrated_ece), " instead of ",
             metric_text(best.ece), ".</p>");
}

Plot reliability(const ReportContext& c) {
  Series s{.name = "", .mark = PlotMark::line_and_dots, .color = 0};
  for (const Metrics::Bin& b : c.metrics().calibration()) {
    if (b.samples == 0) continue;
    const auto n = static_cast<double>(b.samples);
    s.points.emplace_back(b.confidence / n, static_cast<double>(b.right) / n);
    s.notes.push_back(str("confidence ", metric_text(s.points.back().first), ", right ",
                          metric_text(s.points.back().second), ", ", b.samples, " samples"));
  }
  return Plot{.x_label = "confidence",
              .y_label = "share that is right",
              .series = {s, {.name = "", .points = {{0, 0}, {1, 1}}, .faint = true, .color = 7}},
              .width = 420,
              .height = 320,
              .title = "Calibration"};
}

Plot confidences(const ReportContext& c) {
  std::vector<double> right, wrong;
  for (int64_t i = 0; i < c.samples(); ++i) {
    const auto k = static_cast<size_t>(i);
    (c.truth[k] == c.guess[k] ? right : wrong).push_back(c.probability(i, c.guess[k]));
  }
  const double low = 1.0 / static_cast<double>(c.probabilities.shape()[1]);
  Series a = histogram(right, low, 1, 30, "right"), b = histogram(wrong, low, 1, 30, "wrong");
  for (Series* s : {&a, &b})
    for (auto& [x, y] : s->points) y += 1;  // bins without samples stand at 1 on the logarithmic axis
  a.color = 2, b.color = 7;
  return Plot{.x_label = "confidence",
              .y_label = "samples + 1",
              .log_y = true,
              .series = {a, b},
              .width = 420,
              .height = 320,
              .title = "Confidence of right and wrong answers"};
}

}  // namespace

void add_classes(HtmlPage& page, const ReportContext& c) {
  const int64_t n = c.metrics().classes();
  std::vector<int64_t> counts(static_cast<size_t>(n * n));
  std::vector<std::string> names;
  for (int64_t k = 0; k < n; ++k) names.push_back(c.metrics().class_name(k));
  for (size_t i = 0; i < c.truth.size(); ++i) ++counts[static_cast<size_t>(c.truth[i] * n + c.guess[i])];
  std::string body;
  if (n <= kMostClasses) body += shaded_table(names, counts, "actual");
  const std::string most = confusions(c, counts);
  if (!most.empty()) body += "<h3>Most frequent mistakes</h3>" + most;
  page.section("What is taken for what", body,
               n <= kMostClasses
                   ? "Rows are actual classes, columns what the network said; shades are shares of a row."
                   : "");
  page.section("By class", rate_table(c));
}

void add_curves(HtmlPage& page, const ReportContext& c) {
  std::vector<Series> roc, pr;
  const bool one = c.metrics().classes() == 2;
  for (int64_t k : shown_classes(c)) {
    const std::vector<CurvePoint> curve = curve_of(c, k);
    const auto p = static_cast<double>(curve.back().right), n = static_cast<double>(curve.back().wrong);
    std::vector<std::pair<double, double>> a{{0, 0}}, b;
    for (const CurvePoint& at : curve) {
      a.emplace_back(static_cast<double>(at.wrong) / n, static_cast<double>(at.right) / p);
      b.emplace_back(static_cast<double>(at.right) / p,
                     static_cast<double>(at.right) / static_cast<double>(at.right + at.wrong));
    }
    const std::string name = c.metrics().class_name(k);
    roc.push_back({.name = str(name, " (area ", metric_text(roc_auc(curve)), ")"), .points = thinned(a)});
    pr.push_back(
        {.name = str(name, " (average ", metric_text(average_precision(curve)), ")"), .points = thinned(b)});
  }
  if (roc.empty()) return;
  roc.push_back({.name = "", .points = {{0, 0}, {1, 1}}, .faint = true, .color = 7});
  std::vector<Plot> parts{Plot{.x_label = "false positive rate",
                               .y_label = "true positive rate",
                               .series = roc,
                               .width = 420,
                               .height = 320,
                               .title = "ROC"},
                          Plot{.x_label = "recall",
                               .y_label = "precision",
                               .series = pr,
                               .width = 420,
                               .height = 320,
                               .title = "Precision and recall"}};
  if (!c.truth.empty()) parts.push_back(reliability(c)), parts.push_back(confidences(c));
  if (one && !c.truth.empty()) parts.push_back(cost_curve(curve_of(c, shown_classes(c).front())));
  page.section(
      "Curves", side_by_side(parts) + sureness(c),
      one ? "" : "Each class against the rest; where there are many, those with the smallest areas.");
}

void add_mistakes(HtmlPage& page, const ReportContext& c) {
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < c.samples(); ++i)
    if (c.truth[static_cast<size_t>(i)] != c.guess[static_cast<size_t>(i)]) wrong.push_back(i);
  if (wrong.empty()) {
    page.section("Mistakes", "<p>None.</p>");
    return;
  }
  const auto sure = [&](int64_t i) { return c.probability(i, c.guess[static_cast<size_t>(i)]); };
  std::stable_sort(wrong.begin(), wrong.end(), [&](int64_t a, int64_t b) { return sure(a) > sure(b); });
  const Input* const image = c.image();
  wrong.resize(std::min<size_t>(wrong.size(), image ? 24 : 12));
  const auto name = [&](const std::vector<int64_t>& of, int64_t i) {
    return c.metrics().class_name(of[static_cast<size_t>(i)]);
  };
  const std::string note = "The wrong answers that the network was surest of.";
  if (image) {
    const Tensor pictures =
        inputs_of(*c.in.data, c.in.network->schema(), c.evaluation().split, wrong).at(image->name);
    std::vector<std::string> list;
    for (size_t k = 0; k < wrong.size(); ++k) {
      int channels = 1;
      const std::vector<uint8_t> pixels = image_pixels(pictures, static_cast<int64_t>(k), channels);
      const std::string id = c.in.data->id(c.evaluation().split, wrong[k]);
      list.push_back(figure(
          picture(pixels, image->type.shape[1], image->type.shape[2], channels, 96, str("sample ", id)),
          str("<b>", html_escape(name(c.guess, wrong[k])), "</b> ", metric_text(sure(wrong[k])), "<br>is ",
              html_escape(name(c.truth, wrong[k])), "<br>id ", html_escape(id))));
    }
    page.section("Most confident mistakes", figures(list), note);
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (int64_t i : wrong)
    rows.push_back({c.in.data->id(c.evaluation().split, i), name(c.truth, i), name(c.guess, i),
                    metric_text(sure(i)), metric_text(c.probability(i, c.truth[static_cast<size_t>(i)]))});
  page.section("Most confident mistakes",
               html_table({"id", "actual", "predicted", "its probability", "that of the actual"}, rows),
               note);
}

void add_labels(HtmlPage& page, const ReportContext& c) {
  page.section("By label", rate_table(c));
  if (c.head.labels == c.head.columns) add_curves(page, c);
  const Input* const image = c.image();
  const Shape& shape = c.kept().targets.shape();
  if (!image || shape.rank() != 4) return;
  // Masks: the samples that overlap least, as picture, truth and answer.
  const int64_t pixels = shape[2] * shape[3], width = shape[1] * pixels;
  std::vector<std::pair<double, int64_t>> overlap;
  for (int64_t i = 0; i < c.samples(); ++i) {
    int64_t both = 0, any = 0;
    for (int64_t p = 0; p < width; ++p) {
      const bool said = c.probability(i, p) >= 0.5,
                 is = c.kept().targets.data<float>()[static_cast<size_t>(i * width + p)] >= 0.5f;
      both += said && is;
      any += said || is;
    }
    overlap.emplace_back(any == 0 ? 1 : static_cast<double>(both) / static_cast<double>(any), i);
  }
  std::sort(overlap.begin(), overlap.end());
  overlap.resize(std::min<size_t>(overlap.size(), 12));
  std::vector<int64_t> rows;
  for (const auto& [share, i] : overlap) rows.push_back(i);
  const Tensor pictures =
      inputs_of(*c.in.data, c.in.network->schema(), c.evaluation().split, rows).at(image->name);
  std::vector<std::string> list;
  for (size_t k = 0; k < rows.size(); ++k) {
    int channels = 1;
    const std::vector<uint8_t> shown = image_pixels(pictures, static_cast<int64_t>(k), channels);
    std::vector<uint8_t> truth, said;
    for (int64_t p = 0; p < pixels; ++p) {
      truth.push_back(c.kept().targets.data<float>()[static_cast<size_t>(rows[k] * width + p)] >= 0.5f ? 255
                                                                                                       : 0);
      said.push_back(static_cast<uint8_t>(std::lround(255 * c.probability(rows[k], p))));
    }
    list.push_back(
        figure(str("<div class=\"pair\">",
                   picture(shown, image->type.shape[1], image->type.shape[2], channels, 96, "picture"),
                   picture(truth, shape[2], shape[3], 1, 96, "true mask"),
                   picture(said, shape[2], shape[3], 1, 96, "probability"), "</div>"),
               str("overlap ", metric_text(overlap[k].first), ", id ",
                   html_escape(c.in.data->id(c.evaluation().split, rows[k])))));
  }
  page.section("Least overlap", figures(list), "Picture, true mask and probability of the first label.");
}

}  // namespace dl
