#pragma once
// Attributes of dropout and batch norm.
#include <cstdint>

namespace dl {

struct DropoutAttrs {
  double rate = 0.5;
  int64_t stream = 0;  // keys the random numbers together with the seed of the run and the step
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

}  // namespace dl
