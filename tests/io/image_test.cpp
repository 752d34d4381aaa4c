#include "io/image.h"

#include <doctest/doctest.h>

#include "support/files.h"

using namespace dl;
using namespace dl::testing;

namespace {
std::span<const uint8_t> bytes_of(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
}  // namespace

TEST_CASE("a PNG decodes to the pixels it was made from, as planes") {
  const uint8_t pixels[2 * 3 * 3] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 255};
  const std::string png = encode_png(pixels, 2, 3, 3);
  const Tensor t = decode_image(bytes_of(png), 0, "x.png");
  REQUIRE(t.shape() == Shape{3, 2, 3});
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < 6; ++i) CHECK(t.data<uint8_t>()[static_cast<size_t>(c * 6 + i)] == pixels[i * 3 + c]);
  CHECK(encode_png(pixels, 2, 3, 3) == png);
  CHECK(decode_image(bytes_of(png), 1, "x.png").shape() == Shape{1, 2, 3});
  const std::string grey = encode_png(pixels, 2, 3, 1);
  CHECK(decode_image(bytes_of(grey), 0, "g.png").shape() == Shape{1, 2, 3});
  CHECK(decode_image(bytes_of(grey), 3, "g.png").shape() == Shape{3, 2, 3});
}

TEST_CASE("what is not a picture, is damaged or far too large is an error") {
  Exit code = Exit::ok;
  CHECK(error_of([] { decode_image(bytes_of("text"), 0, "d/x.png"); }, &code) ==
        "d/x.png: does not decode, expected PNG, JPEG, BMP or PNM");
  CHECK(code == Exit::data);
  CHECK(error_of([] { decode_image({}, 0, "e.png"); }) ==
        "e.png: does not decode, expected PNG, JPEG, BMP or PNM");
  const std::vector<uint8_t> pixels(64 * 64, 7);
  const std::string png = encode_png(pixels.data(), 64, 64, 1);
  CHECK(error_of([&] { decode_image(bytes_of(png.substr(0, png.size() / 2)), 0, "cut.png"); }) ==
        "cut.png: is damaged, its pixels do not decode");
  CHECK(error_of([] { decode_image(bytes_of("P5 1 1 65535\nab"), 3, "deep.pgm"); }) ==
        "deep.pgm: is a PNM of 16 bits for each channel, expected 8");
  CHECK(contains(error_of([] { decode_image(bytes_of("P5 60000 60000 255\n"), 0, "bomb.pgm"); }),
                 "bomb.pgm: is a picture of 60000x60000 pixels, expected at most 67108864 in all"));
}

TEST_CASE("resizing keeps a constant picture constant and averages when it shrinks") {
  Tensor t(DType::u8, Shape{1, 4, 6});
  for (uint8_t& v : t.data<uint8_t>()) v = 77;
  for (const Shape& s : {Shape{2, 3}, Shape{9, 13}, Shape{1, 1}}) {
    const Tensor r = resize_image(t, s[0], s[1]);
    CHECK(r.shape() == Shape{1, s[0], s[1]});
    for (uint8_t v : r.data<uint8_t>()) CHECK(v == 77);
  }
  Tensor half(DType::u8, Shape{1, 1, 4});
  for (size_t i = 0; i < 4; ++i) half.data<uint8_t>()[i] = i < 2 ? 0 : 200;
  CHECK(resize_image(half, 1, 1).data<uint8_t>()[0] == 100);
}

TEST_CASE("picture files are known by their names in any case") {
  CHECK(is_image_name("a/b.JPG"));
  CHECK(is_image_name("x.pgm"));
  CHECK_FALSE(is_image_name("x.png.txt"));
  CHECK_FALSE(is_image_name("png"));
}
