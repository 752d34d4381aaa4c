#pragma once
// Attributes of the update operators and of what goes before them. Constants are doubles: 1 - beta2 taken in float would be wrong by 1.3e-5.
#include <cstdint>

namespace dl {

// What every update does to the gradient first: g = clip(scale g) + weight_decay p + l1 sign(p).
struct UpdateAttrs {
  double lr_scale = 1;
  double weight_decay = 0;
  bool decoupled = false;  // p (1 - lr weight_decay) before the step, instead of the summand of the gradient
  double l1 = 0;
  double clip_value = 0;  // 0: none
};

struct SgdAttrs : UpdateAttrs {};
struct MomentumAttrs : UpdateAttrs {
  double momentum = 0.9, dampening = 0;
  bool nesterov = false;
};
struct AdagradAttrs : UpdateAttrs {
  double epsilon = 1e-10;
};
struct RmspropAttrs : UpdateAttrs {
  double alpha = 0.99, epsilon = 1e-8, momentum = 0;
};
struct AdamAttrs : UpdateAttrs {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};
struct GlobalNormScaleAttrs {
  double max_norm = 1;
};
struct LossScaleAttrs {
  int64_t growth_interval = 2000;
  double growth = 2, backoff = 0.5;
};

}  // namespace dl
