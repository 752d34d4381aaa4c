#pragma once
// Groups of layers that learn otherwise than the rest: {"layers": "conv*", "lr_scale": 0.1, "weight_decay": 0}. Later groups
// go before earlier ones; factors of the rate multiply with one another and with the layer's own "lr_scale".
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "nn/globs.h"

namespace dl {

struct Model;

struct ParameterGroup {
  Globs layers;
  double lr_scale = 1, lr_decay = 1;
  std::optional<double> weight_decay;
  bool freeze = false;
};
constexpr auto fields(const ParameterGroup*) {
  return std::tuple{
      field("layers", &ParameterGroup::layers,
            "Names of layers, with * for any part of one (\"conv*\"), or a list of them; empty: all.")
          .required(),
      field("lr_scale", &ParameterGroup::lr_scale, "Factor of the learning rate.").at_least(0),
      field(
          "lr_decay", &ParameterGroup::lr_decay,
          "Each layer learns at this share of the rate of the next one of the group that has parameters: 0.8 "
          "makes the first layers of a trained network learn slowest (Howard and Ruder 2018).")
          .range(0, 1),
      field("weight_decay", &ParameterGroup::weight_decay,
            "Decay of the group's parameters, biases included, in place of the optimizer's.")
          .at_least(0),
      field("freeze", &ParameterGroup::freeze, "The layers stay as they are."),
  };
}

// Whether a group freezes the layer.
bool is_frozen(std::span<const ParameterGroup> groups, std::string_view layer);
// Sets rates and decays of the model's parameters. Error (config) for a pattern that fits no layer.
void apply_groups(Model& model, std::span<const ParameterGroup> groups);

}  // namespace dl
