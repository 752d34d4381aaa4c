#include "data/digits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/str.h"
#include "data/preview.h"
#include "io/image.h"
#include "support/files.h"

using namespace dl;
using namespace dl::testing;

namespace {
std::vector<uint8_t> digit(const DigitGenerator& g, int64_t i, int64_t size = 28) {
  std::vector<uint8_t> p(static_cast<size_t>(size * size));
  g.draw(i, p.data());
  return p;
}
}  // namespace

TEST_CASE("a digit depends on the seed and its number alone") {
  const DigitGenerator a({.seed = 7}), b({.seed = 7}), c({.seed = 8});
  const auto first = digit(a, 1000);
  digit(a, 3);
  CHECK(digit(a, 1000) == first);
  CHECK(digit(b, 1000) == first);
  CHECK(digit(c, 1000) != first);
  CHECK(digit(a, 1001) != first);
}

TEST_CASE("every run of ten balanced digits holds each class once; drawn classes are even") {
  const DigitGenerator balanced({.seed = 1}), drawn({.seed = 1, .balanced = false});
  std::array<int, 10> even{};
  for (int64_t block = 0; block < 50; ++block) {
    std::array<int, 10> seen{};
    for (int64_t i = 0; i < 10; ++i) ++seen[static_cast<size_t>(balanced.label(block * 10 + i))];
    for (int n : seen) CHECK(n == 1);
  }
  for (int64_t i = 0; i < 10'000; ++i) ++even[static_cast<size_t>(drawn.label(i))];
  for (int n : even) CHECK(std::abs(n - 1000) < 150);
}

TEST_CASE("ink is there, inside the picture, at any size") {
  for (int64_t size : {8, 28, 64, 200}) {
    const DigitGenerator g({.seed = 3, .size = size});
    for (int64_t i = 0; i < 200; ++i) {
      const auto p = digit(g, i, size);
      int64_t dark = 0, border = 0;
      for (int64_t y = 0; y < size; ++y)
        for (int64_t x = 0; x < size; ++x) {
          const bool ink = p[static_cast<size_t>(y * size + x)] > 60;
          dark += ink;
          border += ink && (y == 0 || x == 0 || y == size - 1 || x == size - 1);
        }
      CHECK(dark * 100 > size * size);
      CHECK(dark * 2 < size * size);
      if (size >= 28) CHECK(border * 20 <= dark);
    }
  }
}

TEST_CASE("without distortion every digit of a way of writing looks the same") {
  const DigitGenerator g({.seed = 3, .distortion = 0});
  std::array<std::vector<std::vector<uint8_t>>, 10> seen;
  for (int64_t i = 0; i < 500; ++i) {
    auto& known = seen[static_cast<size_t>(g.label(i))];
    auto p = digit(g, i);
    if (std::find(known.begin(), known.end(), p) == known.end()) known.push_back(std::move(p));
  }
  for (const auto& known : seen) {
    CHECK(known.size() >= 2);
    CHECK(known.size() <= 4);
  }
}

TEST_CASE("a contact sheet shows each picture with its label below") {
  std::vector<SheetPicture> pictures(5, {std::vector<uint8_t>(28 * 28, 0), "1"});
  pictures[4].label = "a very long label that does not fit";
  const std::string png = contact_sheet(pictures, Shape{1, 28, 28}, {.columns = 3});
  const auto* bytes = reinterpret_cast<const uint8_t*>(png.data());
  const Tensor sheet = decode_image({bytes, png.size()}, 0, "sheet");
  CHECK(sheet.shape() == Shape{1, 2 * (56 + 15) + 4, 3 * 60 + 4});
  const auto at = [&](int64_t y, int64_t x) {
    return sheet.data<uint8_t>()[static_cast<size_t>(y * sheet.shape()[2] + x)];
  };
  CHECK(at(4, 4) == 0);       // a picture
  CHECK(at(0, 0) == 225);     // paper
  CHECK(at(64 + 6, 5) == 0);  // the foot of the "1"
  CHECK(error_of([] { contact_sheet({}, Shape{1, 2, 2}); }) == "no picture to show on the sheet");
  CHECK(contains(error_of([&] {
                   contact_sheet(pictures, Shape{1, 28, 28}, {.max_side = 50});
                 }),
                 "ask for fewer pictures"));
}
