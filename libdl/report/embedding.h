#pragma once
// Points of many dimensions as points of the plane, without chance: equal inputs give equal pictures.
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

using Points = std::vector<std::pair<double, double>>;

struct Principal {
  Points points;             // along the two directions of largest variance, about the mean
  double share[2] = {0, 0};  // of all variance
};
// `x` (n, d) f64. Directions by power iteration on the covariance, the larger end of each pointing to positive numbers.
DL_API Principal principal_components(const Tensor& x);

// t-SNE with exact gradients (van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008), begun from the principal
// components; time and memory grow with n^2, so n <= 1000 is meant. The perplexity is lowered to (n - 1) / 3 for few points.
DL_API Points tsne(const Tensor& x, double perplexity = 30, int iterations = 500);

}  // namespace dl
