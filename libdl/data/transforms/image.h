#pragma once
// What transforms work on: one sample's image, the masks that move with it, and the range of its values.
#include <cstdint>
#include <vector>

namespace dl {

struct Plane {  // (C, H, W)
  int64_t channels = 0, height = 0, width = 0;
  std::vector<float> pixels;
  std::vector<float> scratch;  // for what cannot be done in place; swapped with `pixels`

  int64_t area() const { return height * width; }
  float* channel(int64_t c) { return pixels.data() + c * area(); }
  float* row(int64_t c, int64_t y) { return pixels.data() + (c * height + y) * width; }
  // Makes `scratch`, which has just been filled, the pixels.
  void take_scratch(int64_t new_height, int64_t new_width) {
    height = new_height;
    width = new_width;
    pixels.swap(scratch);
  }
};

// One image during augmentation, in the units of the data set. Transforms may change its extents; at the end of the
// list it must have those that the data set states.
struct Image : Plane {
  // The values of black and white: 0 and 255 for u8, 0 and 1 for f32, or as a "sequence" says. Transforms of
  // colours keep within them; the others may leave them.
  float black = 0, white = 255;
  // Targets with the image's extents (segmentation). Geometric transforms move them too, to the nearest pixel,
  // and fill with 0.
  std::vector<Plane> masks;
  std::vector<int32_t> taps;  // memory of warp()
  std::vector<float> weights, coordinates, padded;

  float span() const { return white - black; }
  float clamp(float v) const { return v < black ? black : v > white ? white : v; }
  // fn(plane, is_mask) for the image, then each mask.
  template <class F>
  void for_each_plane(F&& fn) {
    fn(static_cast<Plane&>(*this), false);
    for (Plane& m : masks) fn(m, true);
  }
};

}  // namespace dl
