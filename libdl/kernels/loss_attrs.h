#pragma once
// Attributes of softmax and of the losses.
#include <cstdint>

namespace dl {

struct SoftmaxAttrs {
  int64_t axis = -1;
};
struct CrossEntropyAttrs {
  float label_smoothing = 0;
  int64_t ignore_index = -100;
};
struct HuberAttrs {
  float delta = 1;
};
struct BceAttrs {
  float pos_weight = 1;
};
struct FocalAttrs {
  float gamma = 2,
        alpha = -1;  // alpha: weight of targets of 1, 1 - alpha of targets of 0; negative: no weights
};
struct QuantileAttrs {
  float q = 0.5f;
};
struct HingeAttrs {
  float margin = 1;
  bool squared = false;
};
struct PoissonNllAttrs {
  bool full = false;  // with Stirling's approximation of log t!
};

}  // namespace dl
