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

}  // namespace dl
