#pragma once
// Mixing of two samples, and of their targets by the same weight.
#include "data/transforms/compose.h"

namespace dl {

// Mixes `other` into `own`, both of one shape, and returns the share that `own` keeps. Equal draws give the same weight
// and, for equal extents, the same place.
double mix_planes(const Typed<Transform>& t, Plane& own, const Plane& other, Random& random);
// False for a transform that cuts places out, which rows of features do not have.
bool mixes_features(const Typed<Transform>& t);

// A number from Beta(alpha, alpha), alpha > 0.
double draw_beta(double alpha, Random& random);

}  // namespace dl
