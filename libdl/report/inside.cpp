// Sections about what the network sees: filters, feature maps, what it looks at, and where samples lie before the last layer.
#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "report/embedding.h"
#include "report/figures.h"
#include "report/look_inside.h"
#include "report/sections.h"
#include "train/evaluate_text.h"

namespace dl {
namespace {

constexpr int64_t kMostFilters = 64;

std::string filter_pictures(const Inside& inside) {
  const Tensor weights = inside.filters();
  if (!weights.defined() || weights.shape().rank() != 4 || weights.dtype() != DType::f32) return "";
  const Shape& s = weights.shape();
  if (s[2] < 2) return "";
  const int64_t n = std::min(s[0], kMostFilters), plane = s[2] * s[3];
  // The mean over the input channels.
  std::vector<float> images(static_cast<size_t>(n * plane), 0.0f);
  for (int64_t f = 0; f < n; ++f)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t p = 0; p < plane; ++p)
        images[static_cast<size_t>(f * plane + p)] +=
            weights.data<float>()[static_cast<size_t>((f * s[1] + c) * plane + p)] / static_cast<float>(s[1]);
  const int64_t scale = std::max<int64_t>(2, 40 / s[2]);
  return str("<h3>Filters of ", html_escape(inside.map_layer()), "</h3><p class=\"soft\">", n, " of ", s[0],
             " filters, mean over the input channels; grey is 0, white positive, black negative.</p>",
             picture_grid(images, n, s[2], s[3], true, scale, "filters of the first convolution"));
}

std::string map_pictures(Inside& inside, const std::map<std::string, Tensor>& inputs,
                         const std::string& picture_name, int64_t samples) {
  const Tensor maps = inside.maps(inputs);
  const Shape& s = maps.shape();
  const int64_t n = std::min<int64_t>(s[1], 16), plane = s[2] * s[3];
  std::vector<std::string> list;
  for (int64_t i = 0; i < samples; ++i) {
    const auto from =
        maps.data<float>().subspan(static_cast<size_t>(i * s[1] * plane), static_cast<size_t>(n * plane));
    int channels = 1;
    const Tensor& images = inputs.at(picture_name);
    const std::vector<uint8_t> pixels = image_pixels(images, i, channels);
    const int64_t scale = std::max<int64_t>(1, 56 / s[3]);
    list.push_back(figure(
        str("<div class=\"pair\">",
            picture(pixels, images.shape()[2], images.shape()[3], channels, 112, "sample"),
            picture_grid({from.begin(), from.end()}, n, s[2], s[3], false, scale, "feature maps"), "</div>"),
        ""));
  }
  return str("<h3>Feature maps of ", html_escape(inside.map_layer()), "</h3>", figures(list));
}

// Where the answer comes from: red where covering takes probability away.
std::string occlusion_pictures(Inside& inside, const ReportContext& c, const Input& image,
                               const std::vector<int64_t>& rows) {
  std::vector<std::string> list;
  for (int64_t row : rows) {
    const std::map<std::string, Tensor> inputs =
        inputs_of(*c.in.data, c.in.network->schema(), c.evaluation().split, {row});
    const int64_t guess = c.guess[static_cast<size_t>(row)];
    const Occlusion o = inside.occlude(inputs, image.name, guess);
    const int64_t height = image.type.shape[1], width = image.type.shape[2];
    std::vector<double> heat(static_cast<size_t>(height * width)), count(heat.size());
    for (int64_t i = 0; i < o.rows * o.columns; ++i)
      for (int64_t y = 0; y < o.size; ++y)
        for (int64_t x = 0; x < o.size; ++x) {
          const auto at =
              static_cast<size_t>((i / o.columns * o.step + y) * width + i % o.columns * o.step + x);
          heat[at] += o.lost[static_cast<size_t>(i)];
          count[at] += 1;
        }
    double most = 1e-6;
    for (size_t p = 0; p < heat.size(); ++p) most = std::max(most, heat[p] /= std::max(count[p], 1.0));
    int channels = 1;
    const std::vector<uint8_t> pixels = image_pixels(inputs.at(image.name), 0, channels);
    std::vector<uint8_t> colored(heat.size() * 3);
    for (size_t p = 0; p < heat.size(); ++p) {
      double grey = 0;
      for (int k = 0; k < channels; ++k)
        grey += pixels[p * static_cast<size_t>(channels) + static_cast<size_t>(k)] /
                static_cast<double>(channels);
      const double hot = std::clamp(heat[p] / most, 0.0, 1.0), base = 0.55 * grey * (1 - hot);
      colored[3 * p] = static_cast<uint8_t>(std::lround(base + 235 * hot));
      colored[3 * p + 1] = static_cast<uint8_t>(std::lround(base + 90 * hot));
      colored[3 * p + 2] = static_cast<uint8_t>(std::lround(base + 20 * hot));
    }
    list.push_back(figure(str("<div class=\"pair\">", picture(pixels, height, width, channels, 84, "sample"),
                              picture(colored, height, width, 3, 84, "what the answer hangs on"), "</div>"),
                          str("<b>", html_escape(c.metrics().class_name(guess)), "</b> ",
                              metric_text(c.probability(row, guess)), "; covered at worst ",
                              metric_text(c.probability(row, guess) - most))));
  }
  return list.empty() ? ""
                      : "<h3>What the answer hangs on</h3><p class=\"soft\">Each part of the picture is "
                        "covered in turn; bright where that takes "
                        "probability from the answer.</p>" +
                            figures(list);
}

// Points by quarters of the true values.
std::vector<Series> points_by_value(const Points& points, const std::vector<int64_t>& rows,
                                    const ReportContext& c) {
  const auto truth = c.kept().targets.data<float>();
  const auto value = [&](size_t i) { return truth[static_cast<size_t>(rows[i] * c.head.columns)]; };
  std::vector<float> sorted;
  for (size_t i = 0; i < rows.size(); ++i) sorted.push_back(value(i));
  std::sort(sorted.begin(), sorted.end());
  std::vector<Series> out;
  for (const char* name : {"lowest quarter", "second", "third", "highest quarter"})
    out.push_back({.name = name, .mark = PlotMark::dots});
  for (size_t i = 0; i < points.size(); ++i) {
    const auto below =
        static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), value(i)) - sorted.begin());
    Series& s = out[std::min<size_t>(3, 4 * below / sorted.size())];
    s.points.push_back(points[i]);
    s.notes.push_back(str(short_number(static_cast<double>(value(i))), ", id ",
                          c.in.data->id(c.evaluation().split, rows[i])));
  }
  return out;
}

// Points by class.
std::vector<Series> colored_points(const Points& points, const std::vector<int64_t>& rows,
                                   const ReportContext& c) {
  if (is_regression(c.head.form)) return points_by_value(points, rows, c);
  std::vector<Series> out;
  const bool classes = !c.truth.empty();
  const int64_t groups = classes ? c.metrics().classes() : 1;
  for (int64_t g = 0; g < std::min<int64_t>(groups, 20); ++g) {
    Series s{.name = classes ? c.metrics().class_name(g) : "", .mark = PlotMark::dots};
    for (size_t i = 0; i < points.size(); ++i) {
      const auto row = static_cast<size_t>(rows[i]);
      if (classes && c.truth[row] != g) continue;
      s.points.push_back(points[i]);
      s.notes.push_back(
          classes ? str(c.metrics().class_name(g),
                        c.guess[row] == g ? "" : ", taken as " + c.metrics().class_name(c.guess[row]),
                        ", id ", c.in.data->id(c.evaluation().split, rows[i]))
                  : c.in.data->id(c.evaluation().split, rows[i]));
    }
    if (!s.points.empty()) out.push_back(std::move(s));
  }
  return out;
}

void add_embedding(HtmlPage& page, const ReportContext& c, Inside& inside) {
  constexpr int64_t kMost = 500;
  if (!inside.has_features() || c.samples() < 10) return;
  const std::vector<int64_t> rows = spread_rows(c.samples(), kMost);
  const Tensor x = inside.features(inputs_of(*c.in.data, c.in.network->schema(), c.evaluation().split, rows));
  if (x.shape()[1] < 3) return;
  const Principal p = principal_components(x);
  const auto share = [&](int axis) {
    return str("component ", axis + 1, " (", short_number(std::round(1000 * p.share[axis]) / 10), " %)");
  };
  const std::vector<Plot> parts{Plot{.x_label = share(0),
                                     .y_label = share(1),
                                     .series = colored_points(p.points, rows, c),
                                     .width = 420,
                                     .height = 380,
                                     .title = "Principal components"},
                                Plot{.x_label = "t-SNE 1",
                                     .y_label = "t-SNE 2",
                                     .series = colored_points(tsne(x), rows, c),
                                     .width = 420,
                                     .height = 380,
                                     .title = "t-SNE"}};
  page.section(
      "Where samples lie", side_by_side(parts),
      str(rows.size(), " samples by the ", x.shape()[1],
          " numbers that the last layer takes. Classes that overlap here cannot be told apart there."));
}

}  // namespace

void add_inside(HtmlPage& page, const ReportContext& c) {
  Inside inside(*c.in.network, c.head.output);
  const Input* const image = c.image();
  std::string body;
  if (image) {
    const std::vector<int64_t> rows = spread_rows(c.samples(), 3);
    body += filter_pictures(inside);
    if (inside.has_maps())
      body += map_pictures(inside, inputs_of(*c.in.data, c.in.network->schema(), c.evaluation().split, rows),
                           image->name, static_cast<int64_t>(rows.size()));
    if (!c.truth.empty()) body += occlusion_pictures(inside, c, *image, spread_rows(c.samples(), 8));
  }
  if (!body.empty()) page.section("What it sees", body);
  add_embedding(page, c, inside);
}

}  // namespace dl
