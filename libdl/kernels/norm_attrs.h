#pragma once
// Attributes of dropout and batch norm.
#include <cstdint>

namespace dl {

struct DropoutAttrs {
  double rate = 0.5;
  int64_t stream = 0;  // keys the random numbers together with the seed of the run and the step
};
struct BatchNormAttrs {
  double epsilon = 1e-5, momentum = 0.1;
};
struct BatchNormInferenceAttrs {
  double epsilon = 1e-5;
};

}  // namespace dl
