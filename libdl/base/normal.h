#pragma once
// The normal distribution of mean 0 and variance 1.
#include "base/export.h"

namespace dl {

// P(normal variable <= x).
DL_API double normal_below(double x);
// x with P(normal variable <= x) = p, for 0 < p < 1. Relative error below 2e-15.
DL_API double normal_quantile(double p);

}  // namespace dl
