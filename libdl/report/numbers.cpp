// Sections about predicted numbers.
#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "report/figures.h"
#include "report/look_inside.h"
#include "report/sections.h"
#include "train/evaluate_text.h"

namespace dl {

void add_numbers(HtmlPage& page, const ReportContext& c) {
  constexpr int64_t kMostPoints = 1000, kMostColumns = 4;
  const int64_t columns = c.head.columns;
  const auto truth = [&](int64_t i, int64_t k) {
    return static_cast<double>(c.kept().targets.data<float>()[static_cast<size_t>(i * columns + k)]);
  };
  for (int64_t k = 0; k < std::min(columns, kMostColumns); ++k) {
    Series fit{.name = "", .mark = PlotMark::dots, .color = 0}, residual = fit;
    std::vector<double> misses;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < c.samples(); ++i) misses.push_back(c.probability(i, k) - truth(i, k));
    for (int64_t i : spread_rows(c.samples(), kMostPoints)) {
      const double said = c.probability(i, k), is = truth(i, k);
      fit.points.emplace_back(is, said);
      residual.points.emplace_back(said, said - is);
      low = std::min(low, is), high = std::max(high, is);
      const std::string note = str("id ", c.in.data->id(c.evaluation().split, i), ": predicted ",
                                   short_number(said), ", true ", short_number(is));
      fit.notes.push_back(note);
      residual.notes.push_back(note);
    }
    fit.faint = residual.faint = c.samples() > 200;
    const Series line{.name = "", .points = {{low, low}, {high, high}}, .color = 7};
    const auto [least, most] = std::minmax_element(misses.begin(), misses.end());
    const double edge = std::max(std::abs(*least), std::abs(*most));
    const std::vector<Plot> parts{Plot{.x_label = "true",
                                       .y_label = "predicted",
                                       .series = {fit, line},
                                       .width = 420,
                                       .height = 320,
                                       .title = "Predicted against true"},
                                  Plot{.x_label = "predicted",
                                       .y_label = "error",
                                       .series = {residual},
                                       .width = 420,
                                       .height = 320,
                                       .title = "Errors against predictions"},
                                  Plot{.x_label = "error (predicted less true)",
                                       .y_label = "samples",
                                       .series = {histogram(misses, -edge, edge, 40, "")},
                                       .width = 420,
                                       .height = 300,
                                       .title = "Errors"}};
    page.section(columns > 1 ? str("Number ", k) : "Predictions and errors", side_by_side(parts));
  }
  std::vector<std::pair<double, int64_t>> worst;
  for (int64_t i = 0; i < c.samples(); ++i) {
    double miss = 0;
    for (int64_t k = 0; k < columns; ++k) miss = std::max(miss, std::abs(c.probability(i, k) - truth(i, k)));
    worst.emplace_back(-miss, i);
  }
  std::sort(worst.begin(), worst.end());
  worst.resize(std::min<size_t>(worst.size(), 12));
  std::vector<std::vector<std::string>> rows;
  for (const auto& [miss, i] : worst)
    rows.push_back({c.in.data->id(c.evaluation().split, i), short_number(truth(i, 0)),
                    short_number(c.probability(i, 0)), short_number(-miss)});
  page.section("Largest errors", html_table({"id", "true", "predicted", "error"}, rows));
}

}  // namespace dl
