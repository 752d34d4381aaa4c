#pragma once
// What stands between a layer's weight and its use: weight norm (Salimans and Kingma 2016), spectral norm (Miyato et al.
// 2018), and in training dropconnect (Wan et al. 2013) and noise.
#include <array>
#include <string_view>

#include "nn/layer.h"

namespace dl {

enum class WeightForm { plain, weight_norm, spectral_norm };
constexpr auto enum_names(const WeightForm*) {
  return std::array<std::string_view, 3>{"plain", "weight_norm", "spectral_norm"};
}

// Fields of layers with a weight; their structs derive from it.
struct WeightUse {
  WeightForm weight_form = WeightForm::plain;
  double dropconnect = 0, weight_noise = 0;
};
template <class A>
constexpr auto weight_use_fields() {
  return std::tuple{
      field("weight_form", &A::weight_form,
            "'weight_norm': a learned gain times the weight over its length, for each output; "
            "'spectral_norm': the weight "
            "over its largest singular value."),
      field("dropconnect", &A::dropconnect,
            "Fraction of weights set to zero in training, the rest scaled by 1 / (1 - fraction).")
          .range(0, 0.999),
      field("weight_noise", &A::weight_noise, "Deviation of normal noise added to the weights in training.")
          .range(0, 1e6)};
}

// The layer's weight, (outputs, ...), as the layer uses it.
ValueId used_weight(LayerCtx& c, const WeightUse& use, const Shape& shape);

}  // namespace dl
