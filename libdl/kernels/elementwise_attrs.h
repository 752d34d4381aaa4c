#pragma once
// Attributes of the elementwise operators.
#include <cstdint>

#include "kernels/kernel.h"

namespace dl {

struct LeakyReluAttrs {
  float slope = 0.01f;
};
struct EluAttrs {
  float alpha = 1;
};
enum class GeluForm : int32_t { none, tanh };
struct GeluAttrs {
  GeluForm approximate = GeluForm::none;
};
struct ClipAttrs {
  float min = 0, max = 1;
};
struct ScaleShiftAttrs {
  float scale = 1, shift = 0;
};
struct CastAttrs {
  Elem to = Elem::f32;
};
struct RoundToAttrs {
  Elem to = Elem::bf16;  // or f16
};

}  // namespace dl
