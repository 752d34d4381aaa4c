#pragma once
// Reports for people: one HTML file that holds all it shows, without scripts and without anything from elsewhere. Light
// and dark follow the reader's system; figures are inline SVG that shrink to a phone's width.
//
//   HtmlPage page("Digits", "accuracy of 12 models");
//   page.section("History", svg_plot({.x_label = "epoch", .series = {{.name = "loss", .points = points}}}));
//   write(page.text());
//
// Equal content gives equal bytes. Values that are not finite are left out of figures.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/export.h"

namespace dl {

// Text for an element or an attribute: & < > " ' are replaced.
DL_API std::string html_escape(std::string_view text);

// A number for people: four significant digits.
DL_API std::string short_number(double v);

class DL_API HtmlPage {
 public:
  explicit HtmlPage(std::string title, std::string subtitle = {});
  // A part with a heading and a place in the list of contents. `body` is HTML: escape what comes from outside.
  void section(const std::string& heading, const std::string& body, const std::string& note = {});
  // CSS beside that of the page; may use its colours: var(--ink), var(--panel), ...
  void style(const std::string& css) { style_ += css; }
  std::string text() const;  // the whole document

 private:
  struct Part {
    std::string heading, body, note;
  };
  std::string title_, subtitle_, style_;
  std::vector<Part> parts_;
};

// A table. Cells are text and are escaped here; columns of numbers stand to the right. `marked` is a row to stand out.
DL_API std::string html_table(const std::vector<std::string>& columns,
                              const std::vector<std::vector<std::string>>& rows, int64_t marked = -1);

// Numbers that stand out at the head of a page: name and value.
DL_API std::string html_facts(const std::vector<std::pair<std::string, std::string>>& facts);

// The i-th colour of a figure, as a CSS value that has a light and a dark form; they repeat after twelve.
DL_API std::string series_color(size_t i);

enum class PlotMark { line, dots, line_and_dots, steps };

struct Series {
  std::string name{};  // in the legend; empty: none
  std::vector<std::pair<double, double>> points{};
  PlotMark mark = PlotMark::line;
  bool faint = false;                // one of many
  int color = -1;                    // of series_color; -1: by its place
  std::vector<std::string> notes{};  // shown for a point under the pointer; may be shorter than `points`
};

struct Plot {
  std::string x_label{}, y_label{};
  bool log_x = false, log_y = false;   // points that have no logarithm are left out
  std::vector<std::string> x_names{};  // names of x = 0, 1, ...: an axis of categories
  std::vector<Series> series{};
  double width = 640, height = 320;  // of the drawing; it is shown as wide as there is room
  std::string title{};               // read out and shown on hovering
};
DL_API std::string svg_plot(const Plot& plot);

// Horizontal bars from 0, one for each name, in the order given.
struct Bar {
  std::string name{};
  double value = 0;
  double error = 0;    // drawn as a whisker when above 0
  std::string text{};  // beside the bar; empty: the value
};
DL_API std::string svg_bars(const std::vector<Bar>& bars, const std::string& title = {});

// Places of ticks on an axis from low to high: about `count` round numbers, or powers of ten when `log`.
DL_API std::vector<double> axis_ticks(double low, double high, bool log, int count = 6);

}  // namespace dl
