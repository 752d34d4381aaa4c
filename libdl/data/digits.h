#pragma once
// Handwriting-like digits made by a formula: skeletons of pen strokes, bent and slanted at random, drawn with
// a pen of varying width. Any number of them, without any file.
#include <cstdint>
#include <span>

#include "base/export.h"
#include "base/random.h"

namespace dl {

struct DigitOptions {
  uint64_t seed = 0;
  int64_t size = 28;        // pixels on each side, 8 to 512
  bool balanced = true;     // each run of ten digits holds every class once; false: classes drawn evenly
  double distortion = 1.0;  // 0: the bare skeletons, 1: handwriting
};

// Digit i is a pure function of (options, i).
class DL_API DigitGenerator {
 public:
  explicit DigitGenerator(const DigitOptions& options) : options_(options) {}
  int label(int64_t i) const;                   // 0 to 9
  void draw(int64_t i, uint8_t* pixels) const;  // (size, size), 0 paper to 255 ink

 private:
  DigitOptions options_;
};

struct StrokePoint {
  float x, y;           // the unit square, y downwards
  bool corner = false;  // the curve has a kink here
};
struct Stroke {
  std::span<const StrokePoint> points;
};
struct Glyph {
  std::span<const Stroke> strokes;
  double weight;  // how often this way of writing is met
};
// The ways in which a digit is written; weights add up to 1.
std::span<const Glyph> digit_glyphs(int digit);

}  // namespace dl
