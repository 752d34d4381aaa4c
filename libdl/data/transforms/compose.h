#pragma once
// Transforms made of others, for those who look into them.
#include "data/transforms/transform.h"

namespace dl {

struct Choose : Chance {
  TransformList of;
  std::vector<double> weights;
};
constexpr auto fields(const Choose*) {
  return fields_with<Chance>(
      field("of", &Choose::of, "A list of transforms, all of images or all of mixing.").required(),
      field("weights", &Choose::weights, "How often each is taken; empty: all alike.").at_least(0));
}
// The member that this sample gets.
const Typed<Transform>& pick(const Choose& a, Random& random);

struct Sequence : Chance {
  TransformList transforms;
  std::vector<double> range;
};
constexpr auto fields(const Sequence*) {
  return fields_with<Chance>(
      field("transforms", &Sequence::transforms, "A list of transforms.").required(),
      field("range", &Sequence::range,
            "[black, white] of the images for the members; empty: 0 and 255 for u8, 0 and 1 for f32."));
}

// What a transform works on; of "choose" what its members do.
Stage stage_of(const Typed<Transform>& t);

}  // namespace dl
