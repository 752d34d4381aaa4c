#pragma once
// Parts of reports beside plots (base/html.h): pictures, tables shaded by value, histograms.
#include <string>
#include <vector>

#include "base/html.h"
#include "tensor/tensor.h"

namespace dl {

// CSS of the parts of this file, for HtmlPage::style.
DL_API std::string figure_style();

// An image element that holds its PNG. `pixels` u8 (height, width, channels), channels 1 or 3, shown `shown` CSS pixels
// wide without smoothing.
DL_API std::string picture(const std::vector<uint8_t>& pixels, int64_t height, int64_t width, int channels,
                           int64_t shown, const std::string& alt);
// One image (C, H, W) of a tensor of samples, u8 or f32; numbers are spread over black to white. One or three channels, of
// others the first is shown.
DL_API std::vector<uint8_t> image_pixels(const Tensor& images, int64_t index, int& channels);
// Many small grey images (n, height, width), each spread over black to white by its own largest magnitude around grey
// (`signed_values`) or from its least to its largest value; laid out in a grid with a gap of one pixel.
DL_API std::string picture_grid(const std::vector<float>& images, int64_t n, int64_t height, int64_t width,
                                bool signed_values, int64_t scale, const std::string& alt);
// A figure of a picture and a caption (HTML).
DL_API std::string figure(const std::string& picture, const std::string& caption);
DL_API std::string figures(const std::vector<std::string>& list);

// Rows of counts with names on both sides, each cell shaded by its share of its row.
DL_API std::string shaded_table(const std::vector<std::string>& names, const std::vector<int64_t>& counts,
                                const std::string& corner);

// Counts of values in bins of equal width between low and high, as steps to be drawn.
DL_API Series histogram(const std::vector<double>& values, double low, double high, int bins,
                        std::string name);

// Numbers that stand out at the head of a page.
struct Card {
  std::string name, value, note{};  // the note stands under the value
};
DL_API std::string cards(const std::vector<Card>& list);

// Shares as bars of text, which stay readable at any width; the longest takes all the room.
struct LabelledShare {
  std::string name;
  double value;
};
DL_API std::string share_bars(const std::vector<LabelledShare>& list);

DL_API std::string details(const std::string& summary, const std::string& body);
// Plots with their titles, two beside each other where there is room.
DL_API std::string side_by_side(const std::vector<Plot>& plots);

}  // namespace dl
