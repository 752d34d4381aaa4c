#pragma once
// Comparing what runs leave behind.
#include <algorithm>
#include <cmath>

#include "tensor/tensor.h"

namespace dl::test {

// The largest difference of two f32 tensors over the largest magnitude in the first one.
inline double relative_difference(const Tensor& a, const Tensor& b) {
  double worst = 0, scale = 1e-3;
  for (size_t i = 0; i < a.data<float>().size(); ++i) {
    const double want = a.data<float>()[i];
    worst = std::max(worst, std::abs(want - b.data<float>()[i]));
    scale = std::max(scale, std::abs(want));
  }
  return worst / scale;
}

}  // namespace dl::test
