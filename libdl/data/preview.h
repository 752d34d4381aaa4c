#pragma once
// A contact sheet: pictures in a grid, each with its label drawn underneath.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "tensor/tensor.h"

namespace dl {

struct SheetOptions {
  int64_t columns = 0;       // 0: about as wide as high
  int64_t max_side = 16384;  // of the sheet in pixels
};

struct SheetPicture {
  std::vector<uint8_t> pixels;  // (channels, height, width)
  std::string label;
};

// The sheet as PNG bytes. Pictures of at most 32 pixels are enlarged by a whole factor. `shape` is (C, H,
// W) with C 1 or 3 (of other counts the first channel is shown).
DL_API std::string contact_sheet(const std::vector<SheetPicture>& pictures, const Shape& shape,
                                 const SheetOptions& options = {});

}  // namespace dl
