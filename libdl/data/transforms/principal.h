#pragma once
// Principal components of the colours of a data set.
#include "data/dataset.h"

namespace dl {

struct PrincipalColours {
  double values[3];      // variances, largest first
  double vectors[3][3];  // a unit vector in each row; its largest number is positive
};
// Of all pixels of an input with three channels. The sums run in the order of the rows.
PrincipalColours principal_colours(const Dataset& data, const std::string& split, const Input& input);

}  // namespace dl
