#include "base/html.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/str.h"

namespace dl {
namespace {

// Twelve hues that stay apart for people who do not see all colours, each for a light and for a dark ground.
constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ground:#fff;--panel:#f6f7f9;--ink:#1b1f24;--soft:#59636e;--line:#d9dde3;--accent:#0b62c4;
--c0:#1f6fc5;--c1:#d1620a;--c2:#1c8a4c;--c3:#b3338a;--c4:#6a4fc3;--c5:#a07800;--c6:#0d8b97;--c7:#c23b3b;
--c8:#7a5a3a;--c9:#5d6b78;--c10:#8a9a1b;--c11:#e0589c}
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--panel:#1d2127;--ink:#e7eaee;--soft:#9aa4b0;--line:#343b44;--accent:#6cb0ff;
--c0:#62a8f5;--c1:#f29a4b;--c2:#55c987;--c3:#e77cc3;--c4:#a896f5;--c5:#d9b23c;--c6:#48c4d0;--c7:#f07d7d;
--c8:#c49a6c;--c9:#a9b6c2;--c10:#c3d44a;--c11:#ff9ccb}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.2rem 1rem 4rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:.4rem 0 0}h2{font-size:1.15rem;margin:2.2rem 0 .5rem;border-top:1px solid var(--line);padding-top:1rem}
p{margin:.3rem 0 .8rem}.soft{color:var(--soft)}a{color:var(--accent)}
nav{margin:.8rem 0;display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.92rem}
.facts{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0;padding:0}
.facts div{background:var(--panel);border-radius:.5rem;padding:.5rem .9rem;min-width:7rem}
.facts dt{font-size:.8rem;color:var(--soft)}.facts dd{margin:0;font-size:1.15rem;font-weight:600;overflow-wrap:anywhere}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right}tr.best td{background:var(--panel);font-weight:600}
svg{display:block;width:100%;height:auto;margin:.4rem 0}svg text{font:12px system-ui,sans-serif;fill:var(--soft)}
svg .name{fill:var(--ink)}svg .grid{stroke:var(--line);stroke-width:1}svg .axis{stroke:var(--soft);stroke-width:1}
.many{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));gap:.4rem 1.2rem}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;font-size:.88rem}.legend i{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.4em}
)css";

std::string at(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", v);
  return text;
}

bool is_number(std::string cell) {
  std::erase(cell, ',');  // 61,706
  if (cell.empty()) return false;
  char* end = nullptr;
  std::strtod(cell.c_str(), &end);
  return *end == '\0' || (*end == '%' && end[1] == '\0');
}

// One axis: from values to places between `from` and `to`.
struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  bool log = false;
  bool takes(double v) const { return std::isfinite(v) && (!log || v > 0); }
  double operator()(double v) const {
    const double a = log ? std::log(low) : low, b = log ? std::log(high) : high, x = log ? std::log(v) : v;
    return from + (to - from) * (b > a ? (x - a) / (b - a) : 0.5);
  }
};

// Ends of an axis that hold all values, with some air.
void fit(Scale& s, const std::vector<double>& values) {
  bool any = false;
  for (double v : values) {
    if (!s.takes(v)) continue;
    s.low = any ? std::min(s.low, v) : v;
    s.high = any ? std::max(s.high, v) : v;
    any = true;
  }
  if (!any) s.low = s.log ? 0.1 : 0, s.high = 1;
  if (s.log) {
    const double air = std::max(std::pow(s.high / s.low, 0.04), 1.02);
    s.low /= air, s.high *= air;
  } else {
    const double air = s.high > s.low ? 0.04 * (s.high - s.low)
                       : s.high == 0  ? 0.5
                                      : 0.05 * std::fabs(s.high);
    s.low -= air, s.high += air;
  }
}

std::string path_of(const std::vector<std::pair<double, double>>& places, bool steps) {
  std::string d;
  for (size_t i = 0; i < places.size(); ++i) {
    const auto& [x, y] = places[i];
    if (i == 0)
      d += str('M', at(x), ' ', at(y));
    else if (steps)
      d += str('H', at(x), 'V', at(y));
    else
      d += str('L', at(x), ' ', at(y));
  }
  return d;
}

std::string draw(const Series& s, const Scale& x, const Scale& y, const std::string& color) {
  std::vector<std::pair<double, double>> places;
  std::string dots, out;
  for (size_t i = 0; i < s.points.size(); ++i) {
    const auto& [px, py] = s.points[i];
    if (!x.takes(px) || !y.takes(py)) continue;
    places.emplace_back(x(px), y(py));
    const std::string note = i < s.notes.size() ? s.notes[i]
                                                : str(s.name, s.name.empty() ? "" : ": ", short_number(px),
                                                      ", ", short_number(py));
    dots += str("<circle cx=\"", at(places.back().first), "\" cy=\"", at(places.back().second),
                "\" r=\"3.5\"><title>", html_escape(note), "</title></circle>");
  }
  const std::string opacity = s.faint ? "0.35" : "1";
  if (s.mark != PlotMark::dots && !places.empty())
    out += str("<path d=\"", path_of(places, s.mark == PlotMark::steps), "\" fill=\"none\" stroke=\"", color,
               "\" stroke-width=\"", s.faint ? "1.2" : "2", "\" stroke-opacity=\"", opacity, "\"><title>",
               html_escape(s.name), "</title></path>");
  if (s.mark == PlotMark::dots || s.mark == PlotMark::line_and_dots || places.size() == 1)
    out += str("<g fill=\"", color, "\" fill-opacity=\"", s.faint ? "0.35" : "0.8", "\">", dots, "</g>");
  return out;
}

std::string axes(const Plot& p, const Scale& x, const Scale& y) {
  std::string out;
  for (double t : axis_ticks(y.low, y.high, p.log_y))
    out += str("<line class=\"grid\" x1=\"", at(x.from), "\" x2=\"", at(x.to), "\" y1=\"", at(y(t)),
               "\" y2=\"", at(y(t)), "\"/><text x=\"", at(x.from - 6), "\" y=\"", at(y(t) + 4),
               "\" text-anchor=\"end\">", short_number(t), "</text>");
  std::vector<std::pair<double, std::string>> ticks;
  for (size_t i = 0; i < p.x_names.size(); ++i) ticks.emplace_back(static_cast<double>(i), p.x_names[i]);
  if (p.x_names.empty())
    for (double t : axis_ticks(x.low, x.high, p.log_x, std::max(3, static_cast<int>(p.width / 80))))
      ticks.emplace_back(t, short_number(t));
  for (const auto& [t, name] : ticks)
    out += str("<line class=\"grid\" x1=\"", at(x(t)), "\" x2=\"", at(x(t)), "\" y1=\"", at(y.from),
               "\" y2=\"", at(y.to), "\"/><text x=\"", at(x(t)), "\" y=\"", at(y.from + 16),
               "\" text-anchor=\"middle\">", html_escape(name), "</text>");
  out += str("<path class=\"axis\" fill=\"none\" d=\"M", at(x.from), ' ', at(y.to), 'V', at(y.from), 'H',
             at(x.to), "\"/>");
  out += str("<text class=\"name\" x=\"", at((x.from + x.to) / 2), "\" y=\"", at(y.from + 34),
             "\" text-anchor=\"middle\">", html_escape(p.x_label),
             "</text><text class=\"name\" transform=\"translate(14 ", at((y.from + y.to) / 2),
             ") rotate(-90)\" text-anchor=\"middle\">", html_escape(p.y_label), "</text>");
  return out;
}

std::string open_svg(double width, double height, const std::string& title) {
  return str("<svg viewBox=\"0 0 ", at(width), ' ', at(height), "\" role=\"img\"",
             title.empty() ? "" : str(" aria-label=\"", html_escape(title), '"'), '>');
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string short_number(double v) {
  if (!std::isfinite(v)) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", v == 0 ? 0.0 : v);  // no minus zero
  return text;
}

std::string series_color(size_t i) { return str("var(--c", i % 12, ')'); }

std::vector<double> axis_ticks(double low, double high, bool log, int count) {
  std::vector<double> out;
  if (!(high > low) || count < 1 || (log && !(low > 0))) return out;
  const double decades = log ? std::log10(high / low) : 0;
  if (log && decades >= 1) {
    const int step = std::max(1, static_cast<int>(std::ceil(decades / count)));
    for (int e = static_cast<int>(std::ceil(std::log10(low) - 1e-9)); e <= std::log10(high) + 1e-9; e += step)
      out.push_back(std::pow(10.0, e));
    if (out.size() > 1) return out;
    out.clear();
  }
  const double raw = (high - low) / count, unit = std::pow(10.0, std::floor(std::log10(raw)));
  const double step = unit * (raw <= unit ? 1 : raw <= 2 * unit ? 2 : raw <= 5 * unit ? 5 : 10);
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; (first + i) * step <= high + 1e-9 * step && i < 100; ++i) out.push_back((first + i) * step);
  return out;
}

HtmlPage::HtmlPage(std::string title, std::string subtitle)
    : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void HtmlPage::section(const std::string& heading, const std::string& body, const std::string& note) {
  parts_.push_back({heading, body, note});
}

std::string HtmlPage::text() const {
  std::string out =
      str("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width,initial-scale=1\">"
          "<title>",
          html_escape(title_), "</title><style>", kStyle, style_, "</style></head><body>\n<h1>",
          html_escape(title_), "</h1>\n");
  if (!subtitle_.empty()) out += str("<p class=\"soft\">", html_escape(subtitle_), "</p>\n");
  if (parts_.size() > 2) {
    out += "<nav>";
    for (size_t i = 0; i < parts_.size(); ++i)
      if (!parts_[i].heading.empty())
        out += str("<a href=\"#part", i, "\">", html_escape(parts_[i].heading), "</a>");
    out += "</nav>\n";
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& p = parts_[i];
    if (!p.heading.empty()) out += str("<h2 id=\"part", i, "\">", html_escape(p.heading), "</h2>\n");
    if (!p.note.empty()) out += str("<p class=\"soft\">", html_escape(p.note), "</p>\n");
    out += p.body + '\n';
  }
  return out + "</body></html>\n";
}

std::string html_table(const std::vector<std::string>& columns,
                       const std::vector<std::vector<std::string>>& rows, int64_t marked) {
  std::vector<bool> numbers(columns.size(), !rows.empty());
  for (const auto& row : rows)
    for (size_t c = 0; c < columns.size() && c < row.size(); ++c)
      numbers[c] = numbers[c] && (row[c].empty() || is_number(row[c]));
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (size_t c = 0; c < columns.size(); ++c)
    out += str(numbers[c] ? "<th class=\"n\">" : "<th>", html_escape(columns[c]), "</th>");
  out += "</tr></thead><tbody>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    out += static_cast<int64_t>(r) == marked ? "<tr class=\"best\">" : "<tr>";
    for (size_t c = 0; c < columns.size(); ++c)
      out += str(numbers[c] ? "<td class=\"n\">" : "<td>", c < rows[r].size() ? html_escape(rows[r][c]) : "",
                 "</td>");
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

std::string html_facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string out = "<dl class=\"facts\">";
  for (const auto& [name, value] : facts)
    out += str("<div><dt>", html_escape(name), "</dt><dd>", html_escape(value), "</dd></div>");
  return out + "</dl>";
}

std::string svg_plot(const Plot& p) {
  Scale x{.from = 64, .to = p.width - 12, .log = p.log_x}, y{.from = p.height - 44, .to = 10, .log = p.log_y};
  std::vector<double> xs, ys;
  for (const Series& s : p.series)
    for (const auto& [px, py] : s.points)
      if (x.takes(px) && y.takes(py)) xs.push_back(px), ys.push_back(py);
  fit(x, xs);
  fit(y, ys);
  if (!p.x_names.empty()) x.low = -0.5, x.high = static_cast<double>(p.x_names.size()) - 0.5;
  std::string legend, marks;
  for (size_t i = 0; i < p.series.size(); ++i) {
    const Series& s = p.series[i];
    const std::string color = series_color(s.color < 0 ? i : static_cast<size_t>(s.color));
    marks += draw(s, x, y, color);
    if (!s.name.empty() && !s.faint)
      legend += str("<span><i style=\"background:", color, "\"></i>", html_escape(s.name), "</span>");
  }
  return str(open_svg(p.width, p.height, p.title), axes(p, x, y), marks, "</svg>",
             legend.empty() ? "" : str("<div class=\"legend\">", legend, "</div>"));
}

std::string svg_bars(const std::vector<Bar>& bars, const std::string& title) {
  constexpr double kWidth = 640, kRow = 26, kText = 74;
  double largest = 0;
  size_t longest = 0;
  for (const Bar& b : bars) {
    if (std::isfinite(b.value)) largest = std::max(largest, b.value + std::max(b.error, 0.0));
    longest = std::max(longest, b.name.size());
  }
  const double from = std::min(280.0, 12 + 6.9 * static_cast<double>(longest)), room = kWidth - from - kText;
  std::string out = open_svg(kWidth, kRow * static_cast<double>(bars.size()) + 6, title);
  for (size_t i = 0; i < bars.size(); ++i) {
    const Bar& b = bars[i];
    const double y = kRow * static_cast<double>(i) + 4, unit = largest > 0 ? room / largest : 0;
    const double length = std::isfinite(b.value) ? std::max(b.value * unit, 0.0) : 0,
                 end = from + length + b.error * unit;
    out += str("<text class=\"name\" x=\"", at(from - 8), "\" y=\"", at(y + 14), "\" text-anchor=\"end\">",
               html_escape(b.name), "</text><rect x=\"", at(from), "\" y=\"", at(y), "\" width=\"",
               at(length), "\" height=\"18\" rx=\"2\" fill=\"var(--c0)\"/>");
    if (b.error > 0)
      out += str("<path class=\"axis\" d=\"M", at(std::max(from, from + length - b.error * unit)), ' ',
                 at(y + 9), 'H', at(end), "\"/>");
    out += str("<text x=\"", at((b.error > 0 ? end : from + length) + 6), "\" y=\"", at(y + 14), "\">",
               html_escape(b.text.empty() ? short_number(b.value) : b.text), "</text>");
  }
  return out + "</svg>";
}

}  // namespace dl
