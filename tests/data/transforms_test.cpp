// Every transform against its formula, at zero strength, and against a recorded picture.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "data/augment.h"
#include "io/hash.h"

using namespace dl;

namespace {

constexpr int64_t kSide = 16, kArea = kSide * kSide;

Schema schema_of(DType dtype, int64_t channels, bool mask = false) {
  Schema s;
  s.inputs.push_back({"image", Role::image, {dtype, {channels, kSide, kSide}}, {}});
  if (mask) s.targets.push_back({"mask", TargetKind::regression, {DType::f32, {1, kSide, kSide}}, {}});
  return s;
}

// A colourful picture without symmetry: ramps, a disc, and a little texture.
std::vector<uint8_t> picture(int64_t channels = 3) {
  std::vector<uint8_t> p;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < kSide; ++y)
      for (int64_t x = 0; x < kSide; ++x) {
        const int64_t d = (y - 5) * (y - 5) + (x - 9) * (x - 9);
        p.push_back(
            static_cast<uint8_t>(10 + 40 * c + 5 * x + (3 + c) * y + (d < 16 ? 60 : 0) + (x * y + c) % 5));
      }
  return p;
}

template <class T>
std::vector<T> run(const std::string& list, std::vector<T> image, uint64_t seed = 7, uint64_t sample = 3) {
  const auto channels = static_cast<int64_t>(image.size()) / kArea;
  const DType dtype = sizeof(T) == 1 ? DType::u8 : DType::f32;
  const Augmenter a(parse_augment(json::parse(list), "/augment"), schema_of(dtype, channels), seed);
  void* columns[] = {image.data()};
  Image work;
  a.apply(columns, 1, sample, work);
  return image;
}

int largest_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  int most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
  return most;
}

std::string digest(const std::vector<uint8_t>& v) {
  return sha256_hex({reinterpret_cast<const char*>(v.data()), v.size()}).substr(0, 12);
}

}  // namespace

TEST_CASE("transforms of no strength change nothing") {
  for (
      const char* list : {
          R"([{"type": "rotate", "degrees": 0}])",
          R"([{"type": "rotate", "degrees": 360}])",
          R"([{"type": "scale", "factor": 1}])",
          R"([{"type": "shear", "x": 0}])",
          R"([{"type": "affine", "degrees": 0, "translate": 0, "factor": 1, "shear": 0}])",
          R"([{"type": "perspective", "distortion": 0}])",
          R"([{"type": "elastic", "alpha": 0}])",
          R"([{"type": "resize", "size": 16}])",
          R"([{"type": "random_resized_crop", "area": 1, "aspect": 1}])",
          R"([{"type": "crop", "size": 16}])",
          R"([{"type": "crop", "size": 24, "place": "center"}, {"type": "crop", "size": 16, "place": "center"}])",
          R"([{"type": "brightness", "factor": 1}])",
          R"([{"type": "contrast", "factor": 1}])",
          R"([{"type": "saturation", "factor": 1}])",
          R"([{"type": "hue", "turns": 0}])",
          R"([{"type": "hue", "turns": 1}])",
          R"([{"type": "gamma", "gamma": 1}])",
          R"([{"type": "invert"}, {"type": "invert"}])",
          R"([{"type": "posterize", "bits": 8}])",
          R"([{"type": "solarize", "threshold": 256}])",
          R"([{"type": "color_jitter", "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}])",
          R"([{"type": "color_matrix", "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}])",
          R"([{"type": "pca_jitter", "std": 0}])",
          R"([{"type": "gaussian_noise", "std": 0}])",
          R"([{"type": "salt_and_pepper", "amount": 0}])",
          R"([{"type": "blur", "sigma": 0}])",
          R"([{"type": "sharpen", "factor": 1}])",
          R"([{"type": "kernel", "weights": [[0, 0, 0], [0, 1, 0], [0, 0, 0]]}])",
          R"([{"type": "random_erasing", "area": 0}])",
          R"([{"type": "cutout", "size": 0}])",
          R"([{"type": "grid_mask", "keep": 1}])",
          R"([{"type": "rand_augment", "ops": 0}])",
          R"([{"type": "auto_augment", "policy": [[["rotate", 1, 0], ["shear_x", 1, 0], ["color", 1, 0], ["solarize", 1, 0]]]}])",
          R"(["identity"])",
      }) {
    CAPTURE(list);
    // Coordinates are exact to about 1e-6 of a pixel, values to half a level.
    CHECK(largest_difference(run(list, picture()), picture()) == 0);
  }
}

TEST_CASE("p = 0 never applies a transform, whatever it is") {
  for (const json& t : list_transforms()) {
    if (t["works_on"] != "image" || !t["attributes"].contains("p")) continue;
    json one{{"type", t["type"]}, {"p", 0}};
    for (const auto& a : t["attributes"].items())
      if (!a.value().contains("default"))
        one[a.key()] = a.key() == "size" ? json(16)
                       : a.key() == "of" || a.key() == "transforms"
                           ? json::array({"invert"})
                           : json::parse("[[1,2,3],[4,5,6],[7,8,9]]");
    if (t["type"] == "resize") one["size"] = 16;
    const std::string list = json::array({one}).dump();
    CAPTURE(list);
    CHECK(run(list, picture()) == picture());
  }
}

TEST_CASE("a quarter turn moves every pixel to its place, counter-clockwise") {
  const auto in = picture(1), out = run(R"([{"type": "rotate", "degrees": 90}])", in);
  int wrong = 0;
  for (int64_t y = 0; y < kSide; ++y)
    for (int64_t x = 0; x < kSide; ++x)
      wrong +=
          out[static_cast<size_t>((kSide - 1 - x) * kSide + y)] != in[static_cast<size_t>(y * kSide + x)];
  CHECK(wrong == 0);
}

TEST_CASE(
    "scaling by 2 shows the middle half, shear moves rows in proportion to their distance from the middle") {
  const auto in = picture(1),
             twice = run(R"([{"type": "scale", "factor": 2, "interpolation": "nearest"}])", in);
  CHECK(twice[0] == in[4 * kSide + 4]);
  CHECK(twice[static_cast<size_t>(kArea - 1)] == in[11 * kSide + 11]);
  // tan(45 degrees) = 1: row y shows what was at x - (y - 7.5); nearest takes halves upwards.
  const auto slanted = run(R"([{"type": "shear", "x": 45, "interpolation": "nearest", "fill": 1}])", in);
  for (int64_t y : {0, 3, 8, 12})
    for (int64_t x = 0; x < kSide; ++x) {
      const auto from =
          static_cast<int64_t>(std::floor(static_cast<double>(x) - (static_cast<double>(y) - 7.5) + 0.5));
      const int want = from >= 0 && from < kSide ? in[static_cast<size_t>(y * kSide + from)] : 1;
      CHECK(slanted[static_cast<size_t>(y * kSide + x)] == want);
    }
}

TEST_CASE("borders: constant, edge, reflect, wrap, noise") {
  std::vector<float> in(kArea);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % kSide) / 16;
  const auto shrunk = [&](const std::string& border) {
    return run(R"([{"type": "scale", "factor": 0.5, "fill": 0.75, "border": ")" + border + "\"}]", in);
  };
  const auto value = [](const std::vector<float>& v, size_t x) { return v[8 * kSide + x] * 16; };
  // Output x shows 7.5 + 2 (x - 7.5): x = 0 shows -7.5, x = 15 shows 22.5.
  CHECK(value(shrunk("constant"), 0) == doctest::Approx(12));
  CHECK(value(shrunk("edge"), 0) == doctest::Approx(0));
  CHECK(value(shrunk("edge"), 15) == doctest::Approx(15));
  CHECK(value(shrunk("reflect"), 0) == doctest::Approx(7.5));
  CHECK(value(shrunk("reflect"), 15) == doctest::Approx(7.5));
  CHECK(value(shrunk("wrap"), 0) == doctest::Approx(8.5));
  CHECK(value(shrunk("wrap"), 15) == doctest::Approx(6.5));
  std::set<float> noise;
  for (size_t x : {size_t{0}, size_t{1}, size_t{14}, size_t{15}}) noise.insert(value(shrunk("noise"), x));
  CHECK(noise.size() == 4);
}

TEST_CASE("resizing keeps constants and means, and a ramp stays a ramp") {
  for (const char* method : {"bilinear", "nearest", "area"}) {
    const std::string list = std::string(R"([{"type": "resize", "size": [8, 5], "method": ")") + method +
                             R"("}, {"type": "resize", "size": 16, "method": ")" + method + "\"}]";
    CHECK(run(list, std::vector<uint8_t>(3 * kArea, 77)) == std::vector<uint8_t>(3 * kArea, 77));
  }
  std::vector<float> ramp(kArea);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<float>(i % kSide);
  const auto half = run(
      R"([{"type": "resize", "size": 8, "method": "area"}, {"type": "resize", "size": 16, "method": "nearest"}])",
      ramp);
  for (size_t x = 0; x < 16; ++x) CHECK(half[x] == doctest::Approx(0.5 + 2.0 * static_cast<double>(x / 2)));
  // Without antialiasing a pixel is lost where the image shrinks to a quarter; with it, all count.
  std::vector<float> dots(kArea, 0);
  for (size_t y = 0; y < 16; y += 4)
    for (size_t x = 0; x < 16; x += 4) dots[y * kSide + x] = 16;
  const std::string back = R"(}, {"type": "resize", "size": 16, "method": "nearest"}])";
  const auto lost = run(R"([{"type": "resize", "size": 4, "antialias": false)" + back, dots);
  const auto kept = run(R"([{"type": "resize", "size": 4)" + back, dots);
  CHECK(std::accumulate(lost.begin(), lost.end(), 0.0) == doctest::Approx(0));
  CHECK(std::accumulate(kept.begin(), kept.end(), 0.0) / kArea == doctest::Approx(1).epsilon(0.15));
}

TEST_CASE("colours by their formulas") {
  const auto in = picture();
  const auto at = [&](size_t c, size_t i) { return static_cast<double>(in[c * kArea + i]); };
  const auto luma = [&](size_t i) { return 0.299 * at(0, i) + 0.587 * at(1, i) + 0.114 * at(2, i); };
  double mean = 0;
  for (size_t i = 0; i < kArea; ++i) mean += luma(i) / kArea;
  const auto check = [&](const char* list, auto&& want) {
    CAPTURE(list);
    const auto out = run(list, in);
    double most = 0;
    for (size_t c = 0; c < 3; ++c)
      for (size_t i = 0; i < kArea; ++i)
        most = std::max(most, std::fabs(out[c * kArea + i] - std::clamp<double>(want(c, i), 0, 255)));
    CHECK(most < 0.51);
  };
  check(R"([{"type": "brightness", "factor": 1.5}])", [&](size_t c, size_t i) { return 1.5 * at(c, i); });
  check(R"([{"type": "contrast", "factor": 2}])",
        [&](size_t c, size_t i) { return mean + 2 * (at(c, i) - mean); });
  check(R"([{"type": "saturation", "factor": 0.5}])",
        [&](size_t c, size_t i) { return luma(i) + 0.5 * (at(c, i) - luma(i)); });
  check(R"(["grey"])", [&](size_t, size_t i) { return luma(i); });
  check(R"(["invert"])", [&](size_t c, size_t i) { return 255 - at(c, i); });
  check(R"([{"type": "gamma", "gamma": 2}])", [&](size_t c, size_t i) { return at(c, i) * at(c, i) / 255; });
  check(R"([{"type": "posterize", "bits": 3}])",
        [&](size_t c, size_t i) { return 32 * std::floor(at(c, i) / 32); });
  check(R"([{"type": "solarize", "threshold": 100}])",
        [&](size_t c, size_t i) { return at(c, i) >= 100 ? 255 - at(c, i) : at(c, i); });
  check(R"([{"type": "color_matrix", "matrix": [[0, 1, 0], [0, 0, 1], [1, 0, 0]], "offset": [0, 5, 0]}])",
        [&](size_t c, size_t i) { return at((c + 1) % 3, i) + (c == 1 ? 5 : 0); });
  // A third of a turn takes red to green, green to blue, blue to red.
  check(R"([{"type": "hue", "turns": 0.3333333333}])",
        [&](size_t c, size_t i) { return at((c + 2) % 3, i); });
  check(
      R"([{"type": "pca_jitter", "std": 0, "eigenvalues": [1, 1, 1], "eigenvectors": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}])",
      at);
}

TEST_CASE("histograms: equalize flattens, auto_contrast reaches black and white") {
  const auto flat = run(R"(["equalize"])", picture());
  std::vector<int> quarters(4);
  for (size_t i = 0; i < kArea; ++i) ++quarters[flat[i] / 64];
  for (int n : quarters) CHECK(n == doctest::Approx(kArea / 4).epsilon(0.15));
  const auto in = picture(), wide = run(R"(["auto_contrast"])", in);
  for (size_t c = 0; c < 3; ++c) {
    const auto begin = wide.begin() + static_cast<std::ptrdiff_t>(c * kArea), end = begin + kArea;
    CHECK(*std::min_element(begin, end) == 0);
    CHECK(*std::max_element(begin, end) == 255);
  }
  CHECK(run(R"(["equalize", "auto_contrast"])", std::vector<uint8_t>(kArea, 90)) ==
        std::vector<uint8_t>(kArea, 90));
}

TEST_CASE("blur keeps the mean and spreads a point as a Gaussian; a kernel lies as it is written") {
  std::vector<float> point(kArea, 0);
  point[8 * kSide + 8] = 1;
  const auto out = run(R"([{"type": "blur", "sigma": 1}])", point);
  CHECK(std::accumulate(out.begin(), out.end(), 0.0) == doctest::Approx(1));
  CHECK(out[8 * kSide + 9] / out[8 * kSide + 8] == doctest::Approx(std::exp(-0.5)));
  CHECK(out[10 * kSide + 9] / out[8 * kSide + 8] == doctest::Approx(std::exp(-2.5)));
  const auto right =
      run(R"([{"type": "kernel", "weights": [[0, 0, 0], [2, 0, 0], [0, 0, 0]], "scale": 1, "offset": 3}])",
          point);
  CHECK(right[8 * kSide + 9] == doctest::Approx(5));  // weight on the left neighbour: the point moves right
  CHECK(right[8 * kSide + 8] == doctest::Approx(3));
  std::vector<uint8_t> step(kArea, 100);
  for (size_t i = 0; i < kArea; ++i) step[i] = i % kSide < 8 ? 100 : 113;
  const auto sharp = run(R"([{"type": "sharpen", "factor": 2}])", step);
  // The smoothed value left of the edge is (100 * 10 + 113 * 3) / 13 = 103.
  CHECK(int{sharp[5 * kSide + 7]} == 97);
  CHECK(int{sharp[5 * kSide + 8]} == 116);
  CHECK(int{sharp[5 * kSide + 3]} == 100);
}

TEST_CASE("noise has its mean, deviation and tails") {
  std::vector<double> all;
  for (uint64_t s = 0; s < 400; ++s)
    for (float v : run(R"([{"type": "gaussian_noise", "std": 1}])", std::vector<float>(kArea, 0), 7, s))
      all.push_back(v);
  double sum = 0, squares = 0, fourth = 0;
  int beyond = 0;
  for (double v : all) sum += v, squares += v * v, fourth += v * v * v * v, beyond += std::fabs(v) > 3;
  const auto n = static_cast<double>(all.size());  // 102,400
  CHECK(std::fabs(sum / n) < 0.015);
  CHECK(squares / n == doctest::Approx(1).epsilon(0.02));
  CHECK(fourth / n == doctest::Approx(3).epsilon(0.06));
  CHECK(beyond / n == doctest::Approx(0.0027).epsilon(0.25));
  int salt = 0, pepper = 0;
  for (uint64_t s = 0; s < 100; ++s)
    for (uint8_t v : run(R"([{"type": "salt_and_pepper", "amount": 0.2, "salt": 0.25}])",
                         std::vector<uint8_t>(kArea, 9), 7, s))
      salt += v == 255, pepper += v == 0;
  CHECK(salt / (100.0 * kArea) == doctest::Approx(0.05).epsilon(0.1));
  CHECK(pepper / (100.0 * kArea) == doctest::Approx(0.15).epsilon(0.1));
}

TEST_CASE("erasing hides the share that is asked for") {
  const auto hidden = [](const char* list, uint64_t s) {
    const auto out = run(list, std::vector<uint8_t>(kArea, 200), 7, s);
    return std::count(out.begin(), out.end(), 0);
  };
  double share = 0;
  for (uint64_t s = 0; s < 200; ++s) {
    share += static_cast<double>(
        hidden(R"([{"type": "random_erasing", "p": 1, "area": 0.25, "content": "value"}])", s));
    CHECK(hidden(R"([{"type": "cutout", "size": 6}])", s) <= 36);
    CHECK(hidden(R"([{"type": "cutout", "size": 6}])", s) >= 9);
  }
  CHECK(share / 200 == doctest::Approx(64).epsilon(0.06));
  double grid = 0;
  for (uint64_t s = 0; s < 200; ++s)
    grid += static_cast<double>(hidden(R"([{"type": "grid_mask", "unit": 0.25, "keep": 0.5}])", s));
  CHECK(grid / 200 == doctest::Approx(64));  // squares of 2 in units of 4
  const auto mean =
      run(R"([{"type": "cutout", "size": 32, "content": "mean"}])", std::vector<uint8_t>(kArea, 33));
  CHECK(mean == std::vector<uint8_t>(kArea, 33));
}

TEST_CASE("masks move with the image and take the nearest pixel") {
  for (const char* list : {R"([{"type": "flip", "p": 1}])", R"([{"type": "pad_and_crop", "padding": 5}])",
                           R"([{"type": "rotate", "degrees": 30, "interpolation": "nearest"}])",
                           R"([{"type": "elastic", "interpolation": "nearest"}])",
                           R"([{"type": "random_resized_crop", "method": "nearest"}])",
                           R"([{"type": "perspective", "interpolation": "nearest"}])"}) {
    CAPTURE(list);
    std::vector<float> image(kArea), mask(kArea);
    for (size_t i = 0; i < image.size(); ++i)
      image[i] = mask[i] = static_cast<float>(i % 7 == 3 || i % 5 == 1);
    void* columns[] = {image.data(), mask.data()};
    const Augmenter a(parse_augment(json::parse(list), "/augment"), schema_of(DType::f32, 1, true), 3);
    Image work;
    a.apply(columns, 1, 2, work);
    CHECK(image == mask);
  }
}

TEST_CASE("choose takes its members by weight, sequence all or none") {
  std::map<uint8_t, int> seen;
  for (uint64_t s = 0; s < 1000; ++s)
    ++seen[run(
        R"([{"type": "choose", "weights": [3, 1, 0], "of": ["invert", "identity", {"type": "cutout", "size": 64}]}])",
        std::vector<uint8_t>(kArea, 100), 7, s)[0]];
  CHECK(seen.size() == 2);
  CHECK(seen[155] == doctest::Approx(750).epsilon(0.08));
  for (uint64_t s = 0; s < 20; ++s) {
    const auto v = run(
        R"([{"type": "sequence", "p": 0.5, "transforms": ["invert", {"type": "brightness", "factor": 0}]}])",
        std::vector<uint8_t>(kArea, 100), 7, s)[0];
    CHECK((v == 100 || v == 0));
  }
}

TEST_CASE("f32 images: the range is checked, and can be stated") {
  const std::vector<float> bright(kArea, 3.0f);
  CHECK_THROWS_WITH_AS(run(R"(["invert"])", bright), doctest::Contains("expect f32 images from 0 to 1"),
                       Error);
  CHECK(run(R"([{"type": "flip"}])", bright) == bright);
  CHECK(run(R"([{"type": "sequence", "range": [0, 10], "transforms": ["invert"]}])", bright) ==
        std::vector<float>(kArea, 7.0f));
  CHECK(run(R"(["invert"])", std::vector<float>(kArea, 0.25f)) == std::vector<float>(kArea, 0.75f));
}

TEST_CASE("attributes that contradict each other are named with their place") {
  const auto fails = [](const char* list, const char* pointer, const char* text) {
    CAPTURE(list);
    try {
      (void)run(list, picture());
      CHECK(false);
    } catch (const Error& e) {
      CHECK(e.pointer == pointer);
      CHECK(e.code == Exit::config);
      CHECK(std::string(e.what()).find(text) != std::string::npos);
    }
  };
  fails(R"(["flip", {"type": "rotate", "degrees": [5, -5]}])", "/augment/1/degrees",
        "second number is below");
  fails(R"([{"type": "choose", "of": []}])", "/augment/0/of", "names no transform");
  fails(R"([{"type": "choose", "of": ["flip", {"type": "scale", "factor": [2, 1]}]}])",
        "/augment/0/of/1/factor", "below");
  fails(R"([{"type": "choose", "of": ["flip", "flap"]}])", "/augment/0/of/1", "unknown transform 'flap'");
  fails(R"([{"type": "resize"}])", "/augment/0", "either \"size\" or \"shorter_side\"");
  fails(R"([{"type": "kernel", "weights": [[1, 2], [3, 4]]}])", "/augment/0/weights", "odd");
  fails(R"([{"type": "auto_augment", "policy": [[["turn", 0.5, 3]]]}])", "/augment/0/policy/0/0/0", "turn");
  fails(R"([{"type": "auto_augment", "policy": [[["rotate", 1.5, 3]]]}])", "/augment/0/policy/0/0/1", "1.5");
  fails(R"(["mixup", "flip"])", "/augment/1", "behind a mixing");
  fails(R"([{"type": "resize", "size": 8}])", "/augment", "expected the same extents");
  CHECK_THROWS_WITH_AS(run(R"(["flip", "hue"])", picture(1)),
                       doctest::Contains("expected images of 3 channels"), Error);
}

TEST_CASE("golden pictures: each transform with its defaults draws what it drew") {
  const std::map<std::string, std::string> golden{
      {"flip", "8be4315b0c74"},
      {"pad_and_crop", "f46fe0c1cb2a"},
      {"translate", "c998c9a63f41"},
      {"crop", "2cbeb449a6fe"},
      {"resize", "a5668596d9e9"},
      {"random_resized_crop", "fb08aaf22ce2"},
      {"rotate", "f49e8b2634ca"},
      {"scale", "a917054a2f3d"},
      {"shear", "8a8b36176a9e"},
      {"affine", "1d05c2395b6f"},
      {"perspective", "558acece8553"},
      {"elastic", "eef2f95193c5"},
      {"brightness", "3323d82226d3"},
      {"contrast", "08e75979f8be"},
      {"saturation", "06fe9b91fa68"},
      {"hue", "6aaa719ba7e5"},
      {"color_jitter", "f6e70e3a7aa1"},
      {"gamma", "0db30c8fbc05"},
      {"grey", "61ed212b7f2f"},
      {"invert", "9934d9b3daac"},
      {"posterize", "e6fccd0a3b24"},
      {"solarize", "8460bb5281f4"},
      {"color_matrix", "c9ea5261933f"},
      {"pca_jitter", "2c7e21eb2186"},
      {"equalize", "0a92447702c7"},
      {"auto_contrast", "d9f1b92ef4d4"},
      {"blur", "fd6c0d70b775"},
      {"sharpen", "b2a0897bb21b"},
      {"kernel", "3471b186fd5c"},
      {"gaussian_noise", "7cb9ab58631d"},
      {"salt_and_pepper", "febfcb3c2ed0"},
      {"random_erasing", "4330dc34d1fd"},
      {"cutout", "916bd7ac5541"},
      {"grid_mask", "69471401642f"},
      {"choose", "9934d9b3daac"},
      {"sequence", "a8a8213477c3"},
      {"identity", "545913e37bfd"},
      {"auto_augment", "0cff3dd976b4"},
      {"rand_augment", "dfc7c3e1b675"},
      {"trivial_augment", "7f3e5e4e65ec"},
  };
  const std::map<std::string, const char*> required{
      {"crop", R"([{"type": "crop", "size": 12}, {"type": "crop", "size": 16, "place": "center"}])"},
      {"resize", R"([{"type": "resize", "shorter_side": [18, 24]}, {"type": "crop", "size": 16}])"},
      {"kernel", R"([{"type": "kernel", "weights": [[0, 1, 0], [1, -4, 1], [0, 1, 0]], "offset": 128}])"},
      {"color_matrix",
       R"([{"type": "color_matrix", "matrix": [[0.5, 0.5, 0], [0, 1, 0], [0.2, 0.2, 0.6]]}])"},
      {"sharpen", R"([{"type": "sharpen", "factor": 3}])"},
      {"choose", R"([{"type": "choose", "of": ["invert", "equalize"]}])"},
      {"sequence", R"([{"type": "sequence", "transforms": ["invert", "equalize"]}])"},
      {"pca_jitter", R"([{"type": "pca_jitter", "eigenvalues": [5000, 400, 90],
                         "eigenvectors": [[0.6, 0.6, 0.52915], [0.7071, -0.7071, 0], [0.37417, 0.37417, -0.84853]]}])"},
  };
  size_t seen = 0;
  for (const json& t : list_transforms()) {
    if (t["works_on"] != "image") continue;
    const auto type = t["type"].get<std::string>();
    json one{{"type", type}};
    if (t["attributes"].contains("p")) one["p"] = 1;
    const auto list = required.contains(type) ? std::string(required.at(type)) : json::array({one}).dump();
    const std::string found = digest(run(list, picture()));
    CAPTURE(list);
    CHECK_MESSAGE(golden.contains(type), "{\"", type, "\", \"", found, "\"},");
    if (golden.contains(type)) CHECK(golden.at(type) == found);
    ++seen;
  }
  CHECK(seen == golden.size());
}
