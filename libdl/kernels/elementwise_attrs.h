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
struct CeluAttrs {
  float alpha = 1;
};
struct HardSigmoidAttrs {
  float slope = 1.f / 6, shift = 0.5f;
};
struct ThresholdAttrs {
  float threshold = 0;
};
struct PowAttrs {
  float exponent = 2;
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
struct OneHotAttrs {
  int64_t classes = 2;
};

}  // namespace dl
