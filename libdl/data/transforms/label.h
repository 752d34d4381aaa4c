#pragma once
// Transforms of class labels.
#include "data/transforms/transform.h"

namespace dl {

// The label that comes out. Error (Exit::config, at `pointer`) where the attributes do not fit the number of classes.
int32_t change_label(const Typed<Transform>& t, int32_t label, int64_t classes, Random& random);
void check_label_transform(const Typed<Transform>& t, int64_t classes, const std::string& pointer);
// Whether the transform changes this target; without a name it means all class labels.
bool concerns_target(const Typed<Transform>& t, const std::string& target);

}  // namespace dl
