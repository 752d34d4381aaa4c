#pragma once
// Convolutions of planes with small kernels.
#include <vector>

#include "data/transforms/warp.h"

namespace dl {

// Weights of a Gaussian out to 4 standard deviations, odd in number; their sum is 1.
std::vector<float> gaussian_kernel(double sigma);
// Rows, then columns, of every channel with the same kernel. Border: constant (0), edge, reflect or wrap.
void convolve_separable(Plane& plane, const std::vector<float>& kernel, Border border);

}  // namespace dl
