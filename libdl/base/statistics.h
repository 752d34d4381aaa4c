#pragma once
// Quantiles of samples and of the normal distribution of mean 0 and variance 1.
#include <span>

#include "base/export.h"

namespace dl {

// P(normal variable <= x).
DL_API double normal_below(double x);
// x with P(normal variable <= x) = p, for 0 < p < 1. Relative error below 2e-15.
DL_API double normal_quantile(double p);

// The value below which a share of sorted values lies, between neighbours in proportion; NaN where there are none.
DL_API double sorted_quantile(std::span<const double> sorted, double share);

}  // namespace dl
