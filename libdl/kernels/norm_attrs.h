#pragma once
// Attributes of the norms and of what is drawn at random.
#include <cstdint>

namespace dl {

struct DropoutAttrs {
  double rate = 0.5;
  int64_t stream = 0;  // keys the random numbers together with the seed of the run and the step
};
enum class NoiseKind : int32_t { normal, uniform };  // of mean 0 and variance 1; in 0..1
struct NoiseAttrs {
  NoiseKind kind = NoiseKind::normal;
  int64_t stream = 0;  // as for dropout
};
enum class NormActivation : int32_t { none, relu, relu6 };

// blocked: x and y are images in blocked form (kernels/blocked.h), the channels are those of gamma.
// activation: of the sum with the residual where there is one.
struct BatchNormAttrs {
  double epsilon = 1e-5, momentum = 0.1;
  NormActivation activation = NormActivation::none;
  bool blocked = false;
};
// activation: dy is the gradient of its result, and counts where that is neither cut off below nor above.
struct BatchNormGradAttrs {
  NormActivation activation = NormActivation::none;
  bool blocked = false;
};
struct BatchNormInferenceAttrs {
  double epsilon = 1e-5;
  NormActivation activation = NormActivation::none;
  bool blocked = false;
};

// Statistics of each sample alone. axis: the first of those that are averaged over; groups: of neighbouring channels.
struct LayerNormAttrs {
  double epsilon = 1e-5;
  int64_t axis = -1;
};
struct GroupNormAttrs {
  double epsilon = 1e-5;
  int64_t groups = 1;
};
// y = x / (k + alpha / size sum of x^2 over `size` neighbouring channels)^beta
struct LocalResponseNormAttrs {
  int64_t size = 5;
  float alpha = 1e-4f, beta = 0.75f, k = 1;
};

}  // namespace dl
