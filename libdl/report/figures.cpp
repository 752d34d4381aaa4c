#include "report/figures.h"

#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "io/image.h"

namespace dl {
namespace {

std::string base64(const std::string& bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? digits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

uint8_t grey(double share) { return static_cast<uint8_t>(std::lround(255 * std::clamp(share, 0.0, 1.0))); }

}  // namespace

std::string figure_style() {
  return R"css(
.pictures{display:flex;flex-wrap:wrap;gap:1rem .9rem;margin:.6rem 0}
figure{margin:0;max-width:100%}figure img{border-radius:.25rem}
figcaption{font-size:.82rem;line-height:1.35;color:var(--soft);margin-top:.25rem;max-width:11rem;overflow-wrap:anywhere}
figcaption b{color:var(--ink)}
img{display:block;max-width:100%;image-rendering:pixelated;background:var(--panel)}
.pair{display:flex;gap:.25rem}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:.2rem 1.6rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr))}.facts div{min-width:0}
.facts dd{font-variant-numeric:tabular-nums}.facts small{display:block;font-weight:400;font-size:.8rem;color:var(--soft)}
table.shaded{border-spacing:2px;border-collapse:separate}
table.shaded td{border:0;border-radius:.2rem;text-align:right;min-width:2.6em;padding:.3rem .45rem;background:color-mix(in srgb,var(--c0) calc(var(--v)*100%),var(--panel))}
table.shaded td.wrong{background:color-mix(in srgb,var(--c1) calc(var(--v)*100%),var(--panel))}
table.shaded td.zero{color:var(--line)}table.shaded td.dark{color:var(--ground)}
table.shaded th{border:0;text-align:right;padding:.3rem .45rem}
.bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:.4rem .8rem;align-items:center;max-width:44rem;font-variant-numeric:tabular-nums}
.bars i{display:block;height:1.1rem;border-radius:.2rem}.bars>i{background:var(--panel)}.bars i i{background:var(--c0)}.bars b{font-weight:600}
@media(max-width:40rem){table.shaded{font-size:.78rem;border-spacing:1px}table.shaded td{min-width:2.1em;padding:.25rem .2rem}table.shaded th{padding:.25rem .2rem}}
table.shaded th:first-child{white-space:normal}
details{margin:.8rem 0}summary{cursor:pointer;color:var(--accent)}
h3{font-size:1rem;margin:1.2rem 0 .2rem}
pre{background:var(--panel);border-radius:.5rem;padding:.8rem;overflow-x:auto;font-size:.8rem;line-height:1.4}
.verdict{border-left:.25rem solid var(--accent);padding:.2rem 0 .2rem .9rem;margin:.8rem 0}
@media print{body{max-width:none;font-size:11pt}nav{display:none}section,figure,svg,tr{break-inside:avoid}
h2,h3{break-after:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";
}

std::string picture(const std::vector<uint8_t>& pixels, int64_t height, int64_t width, int channels,
                    int64_t shown, const std::string& alt) {
  const std::string png = encode_png(pixels.data(), height, width, channels);
  return str("<img width=\"", shown, "\" height=\"", (shown * height + width / 2) / width, "\" alt=\"",
             html_escape(alt), "\" src=\"data:image/png;base64,", base64(png), "\">");
}

std::vector<uint8_t> image_pixels(const Tensor& images, int64_t index, int& channels) {
  const Shape& s = images.shape();
  const int64_t given = s[1], plane = s[2] * s[3];
  channels = given == 3 ? 3 : 1;
  std::vector<double> v(static_cast<size_t>(channels * plane));
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t p = 0; p < plane; ++p) {
      const auto from = static_cast<size_t>((index * given + c) * plane + p);
      v[static_cast<size_t>(p * channels + c)] = images.dtype() == DType::u8
                                                     ? images.data<uint8_t>()[from]
                                                     : static_cast<double>(images.data<float>()[from]);
    }
  std::vector<uint8_t> out(v.size());
  const auto [low, high] = std::minmax_element(v.begin(), v.end());
  const bool bytes = images.dtype() == DType::u8;
  const double from = bytes ? 0 : *low, range = bytes ? 255 : std::max(*high - *low, 1e-30);
  for (size_t i = 0; i < v.size(); ++i) out[i] = grey((v[i] - from) / range);
  return out;
}

std::string picture_grid(const std::vector<float>& images, int64_t n, int64_t height, int64_t width,
                         bool signed_values, int64_t scale, const std::string& alt) {
  const auto across = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(n) * 2)));
  const int64_t columns = std::min(n, across), rows = (n + columns - 1) / columns;
  const int64_t w = columns * (width + 1) - 1, h = rows * (height + 1) - 1;
  std::vector<uint8_t> pixels(static_cast<size_t>(w * h), 128);
  for (int64_t i = 0; i < n; ++i) {
    const float* const image = images.data() + i * height * width;
    const auto [least, most] = std::minmax_element(image, image + height * width);
    const double low = static_cast<double>(*least), high = static_cast<double>(*most),
                 largest = std::max({std::abs(low), std::abs(high), 1e-30});
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const auto v = static_cast<double>(image[y * width + x]);
        const double share =
            signed_values ? 0.5 + 0.5 * v / largest : (v - low) / std::max(high - low, 1e-30);
        pixels[static_cast<size_t>((i / columns * (height + 1) + y) * w + i % columns * (width + 1) + x)] =
            grey(share);
      }
  }
  return picture(pixels, h, w, 1, w * scale, alt);
}

std::string figure(const std::string& picture, const std::string& caption) {
  return str("<figure>", picture, "<figcaption>", caption, "</figcaption></figure>");
}

std::string figures(const std::vector<std::string>& list) {
  std::string out = "<div class=\"pictures\">";
  for (const std::string& f : list) out += f;
  return out + "</div>";
}

std::string shaded_table(const std::vector<std::string>& names, const std::vector<int64_t>& counts,
                         const std::string& corner) {
  const size_t n = names.size();
  std::string out =
      str("<div class=\"scroll\"><table class=\"shaded\"><thead><tr><th>", html_escape(corner), "</th>");
  for (const std::string& name : names) out += str("<th scope=\"col\">", html_escape(name), "</th>");
  out += "</tr></thead><tbody>\n";
  for (size_t r = 0; r < n; ++r) {
    int64_t sum = 0;
    for (size_t c = 0; c < n; ++c) sum += counts[r * n + c];
    out += str("<tr><th scope=\"row\">", html_escape(names[r]), "</th>");
    for (size_t c = 0; c < n; ++c) {
      const int64_t count = counts[r * n + c];
      const double share = sum > 0 ? static_cast<double>(count) / static_cast<double>(sum) : 0;
      // Mistakes are few: the root lets them be seen.
      const double shade = r == c ? share : std::sqrt(share);
      out += str("<td class=\"", r == c ? "" : "wrong",
                 count == 0     ? " zero"
                 : shade > 0.55 ? " dark"
                                : "",
                 "\" style=\"--v:", short_number(shade), "\" title=\"", html_escape(names[r]), " taken as ",
                 html_escape(names[c]), ": ", count, " of ", sum, "\">", count, "</td>");
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

Series histogram(const std::vector<double>& values, double low, double high, int bins, std::string name) {
  std::vector<int64_t> counts(static_cast<size_t>(bins));
  const double width = (high - low) / bins;
  for (double v : values) {
    if (!std::isfinite(v) || !(width > 0)) continue;
    const double bin = std::clamp(std::floor((v - low) / width), 0.0, static_cast<double>(bins - 1));
    ++counts[static_cast<size_t>(bin)];
  }
  // Drawn as steps: at each edge the count of the bin that ends there, then down to the ground.
  Series s{.name = std::move(name), .mark = PlotMark::line};
  s.points.emplace_back(low, 0);
  for (int b = 0; b < bins; ++b) {
    s.points.emplace_back(low + b * width, static_cast<double>(counts[static_cast<size_t>(b)]));
    s.points.emplace_back(low + (b + 1) * width, static_cast<double>(counts[static_cast<size_t>(b)]));
  }
  s.points.emplace_back(high, 0);
  return s;
}

std::string details(const std::string& summary, const std::string& body) {
  return str("<details><summary>", html_escape(summary), "</summary>", body, "</details>");
}

std::string side_by_side(const std::vector<Plot>& plots) {
  std::string out = "<div class=\"plots\">";
  for (const Plot& p : plots) out += str("<div><h3>", html_escape(p.title), "</h3>", svg_plot(p), "</div>");
  return out + "</div>";
}

std::string share_bars(const std::vector<LabelledShare>& list) {
  double most = 1e-30;
  for (const LabelledShare& s : list) most = std::max(most, s.value);
  std::string out = "<div class=\"bars\">";
  for (const LabelledShare& s : list)
    out +=
        str("<span>", html_escape(s.name), "</span><i><i style=\"width:", short_number(100 * s.value / most),
            "%\"></i></i><b>", html_escape(short_number(s.value)), "</b>");
  return out + "</div>";
}

std::string cards(const std::vector<Card>& list) {
  std::string out = "<dl class=\"facts\">";
  for (const Card& c : list)
    out += str("<div><dt>", html_escape(c.name), "</dt><dd>", html_escape(c.value),
               c.note.empty() ? "" : str("<small>", html_escape(c.note), "</small>"), "</dd></div>");
  return out + "</dl>";
}

}  // namespace dl
