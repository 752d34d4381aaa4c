// Evaluations as tables for people.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/str.h"
#include "train/evaluate.h"
#include "train/evaluate_text.h"

namespace dl {
namespace {

std::string padded(std::string s, size_t width, bool left = false) {
  size_t columns = 0;  // code points, as names are UTF-8
  for (char c : s) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  const std::string gap(columns < width ? width - columns : 0, ' ');
  return left ? s + gap : gap + s;
}

size_t width_of(const std::vector<std::string>& cells) {
  size_t width = 0;
  for (const std::string& c : cells)
    width = std::max(width, static_cast<size_t>(std::count_if(c.begin(), c.end(), [](char ch) {
                       return (static_cast<unsigned char>(ch) & 0xC0) != 0x80;
                     })));
  return width;
}

}  // namespace

std::string metric_text(double v) {
  if (!std::isfinite(v)) return "-";
  if (v == std::floor(v) && std::fabs(v) < 1e15 && std::fabs(v) >= 2) return grouped(static_cast<int64_t>(v));
  char text[32];
  std::snprintf(text, sizeof text, std::fabs(v) >= 1e-3 && std::fabs(v) < 1e6 ? "%.4f" : "%.4g", v);
  return text;
}

std::string text_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < rows.front().size(); ++c) {
    std::vector<std::string> column;
    for (const auto& row : rows) column.push_back(row[c]);
    widths.push_back(width_of(column));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) line += (c ? "  " : "") + padded(row[c], widths[c], c == 0);
    out += line + '\n';
  }
  return out;
}

namespace {

// Rates by class and their averages; roc_auc where there is one.
std::string class_table(const Metrics& m, bool each) {
  const MetricList all = m.values();
  std::vector<std::string> columns{"precision", "recall", "f1", "specificity", "jaccard"};
  if (!std::isnan(metric_value(all, "roc_auc"))) columns.push_back("roc_auc");
  columns.push_back("support");
  std::vector<std::vector<std::string>> rows{{"class"}};
  for (const std::string& c : columns) rows[0].push_back(c == "support" ? "samples" : c);
  const auto add = [&](const std::string& label, const std::string& prefix) {
    std::vector<std::string> row{label};
    for (const std::string& c : columns) row.push_back(metric_text(metric_value(all, str(prefix, '.', c))));
    rows.push_back(std::move(row));
  };
  for (int64_t c = 0; each && c < m.classes(); ++c) add(m.class_name(c), "per_class." + m.class_name(c));
  for (const char* average : {"macro", "micro", "weighted"}) add(str(average, " average"), average);
  return text_table(rows);
}

std::string confusion_table(const Metrics& m) {
  std::vector<std::vector<std::string>> rows{{"actual \\ predicted"}};
  for (int64_t c = 0; c < m.classes(); ++c) rows[0].push_back(m.class_name(c));
  for (int64_t r = 0; r < m.classes(); ++r) {
    std::vector<std::string> row{m.class_name(r)};
    for (int64_t c = 0; c < m.classes(); ++c)
      row.push_back(str(m.confusion()[static_cast<size_t>(r * m.classes() + c)]));
    rows.push_back(std::move(row));
  }
  return text_table(rows);
}

}  // namespace

std::string evaluation_text(const Evaluation& e, int64_t classes) {
  std::string out = str("split ", e.split, '\n');
  if (e.loss_samples > 0)
    out += text_table({{"loss", metric_text(e.loss / static_cast<double>(e.loss_samples))}});
  for (size_t i = 0; i < e.heads.size(); ++i) {
    const Metrics& m = e.metrics[i];
    if (e.heads.size() > 1) out += str("\noutput ", e.heads[i].output, '\n');
    std::vector<std::vector<std::string>> rows;
    for (const Metric& metric : m.values())
      if (!m.everything() || metric.name.find('.') == std::string::npos)
        rows.push_back({metric.name, metric_text(metric.value)});
    if (!rows.empty()) out += text_table(rows);
    if (!m.everything() || m.classes() == 0) continue;
    out += '\n' + class_table(m, m.classes() <= classes);
    if (!m.confusion().empty() && m.classes() <= classes) out += '\n' + confusion_table(m);
  }
  return out;
}

}  // namespace dl
