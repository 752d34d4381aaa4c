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
  bool rate_inside = false;  // v = momentum v + lr g instead of the rate of the step for all of v
};
struct AdagradAttrs : UpdateAttrs {
  double epsilon = 1e-10;
};
struct AdadeltaAttrs : UpdateAttrs {
  double rho = 0.9, epsilon = 1e-6;
};
struct RmspropAttrs : UpdateAttrs {
  double alpha = 0.99, epsilon = 1e-8, momentum = 0;
};
struct RpropAttrs : UpdateAttrs {
  double shrink = 0.5, grow = 1.2, min_step = 1e-6, max_step = 50, initial = 0.01;
};
struct FtrlAttrs : UpdateAttrs {
  double beta = 1;
};
struct AdamAttrs : UpdateAttrs {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};
struct AdamaxAttrs : AdamAttrs {};
struct RadamAttrs : AdamAttrs {};
struct LambAttrs : AdamAttrs {};
struct NadamAttrs : AdamAttrs {
  double momentum_decay = 0.004;
};
struct LionAttrs : UpdateAttrs {
  double beta1 = 0.9, beta2 = 0.99;
};
struct GlobalNormScaleAttrs {
  double max_norm = 1;
};
struct TrustRatioAttrs {
  double coefficient = 1, weight_decay = 0;
};
struct LossScaleAttrs {
  int64_t growth_interval = 2000;
  double growth = 2, backoff = 0.5;
};
struct AnnealedNoiseAttrs {
  double variance = 0.01, decay = 0;
  int64_t stream = 0;  // keys the random numbers together with the seed of the run and the step
};

}  // namespace dl
