#include "base/html.h"

#include <doctest/doctest.h>

#include <limits>

using namespace dl;

namespace {

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

}  // namespace

TEST_CASE("text from outside never becomes markup") {
  CHECK(html_escape("<a href=\"x\">'&") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  HtmlPage page("<script>", "<b>");
  page.section("<i>", html_table({"<u>"}, {{"<s>"}}), "<em>");
  page.section("x", svg_bars({{"<q>", 1, 0, "<p>"}}, "\"'"));
  page.section("y", svg_plot({.x_label = "<u>",
                              .x_names = {"<b>"},
                              .series = {{.name = "<a>", .points = {{0, 1}}, .notes = {"<t>"}}},
                              .title = "<v>"}));
  const std::string text = page.text();
  for (const char* tag : {"<script", "<b>", "<i>", "<u>", "<s>", "<em>", "<q>", "<p>", "<a>", "<t>", "<v>"})
    CHECK(count(text, tag) == 0);
  CHECK(count(text, "http") == 0);
  CHECK(count(text, "prefers-color-scheme:dark") == 1);
}

TEST_CASE("ticks are round, inside, and about as many as asked for") {
  CHECK(axis_ticks(0, 1, false, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(axis_ticks(1e-4, 1, true) == std::vector<double>{1e-4, 1e-3, 1e-2, 1e-1, 1});
  CHECK(axis_ticks(-3, 17, false, 4).front() == 0);
  for (double high : {1e-9, 0.3, 7.0, 12345.0}) {
    const auto t = axis_ticks(0, high, false);
    CHECK((t.size() >= 3 && t.size() <= 8 && t.back() <= high * (1 + 1e-9)));
  }
  CHECK(axis_ticks(0, 1, true).empty());
  CHECK(axis_ticks(1, 1, false).empty());
}

TEST_CASE("a figure leaves out what has no place and stays inside its frame") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const std::string svg =
      svg_plot({.log_x = true,
                .series = {{.points = {{0.1, 1}, {0, 2}, {1, nan}, {inf, 1}, {10, 3}}, .mark = Mark::dots}}});
  CHECK(count(svg, "<circle") == 2);
  CHECK(count(svg, "nan") == 0);
  CHECK(count(svg, "inf") == 0);
  CHECK(svg_plot({}).starts_with("<svg"));
  CHECK(count(svg_plot({.series = {{.points = {{1, 1}}}}}), "<circle") == 1);
  CHECK(count(svg_bars({{"a", 1}, {"b", nan}, {"c", -1}}), "<rect") == 3);
}

TEST_CASE("numbers stand to the right, a marked row stands out") {
  const std::string t = html_table({"name", "value"}, {{"a", "1.5"}, {"b", ""}}, 1);
  CHECK(count(t, "<td class=\"n\">") == 2);
  CHECK(count(t, "<tr class=\"best\"><td>b") == 1);
  CHECK(short_number(-0.0) == "0");
  CHECK(short_number(0.123456) == "0.1235");
}
