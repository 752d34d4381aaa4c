#pragma once
// Penalties that are added to the loss: {"type": "l1", "weight": 1e-4, "layers": "dense*"}; and noise on weights. Those on
// weights leave biases and the parameters of norms alone. A unit is a row of a dense weight (out, in) or a filter.
#include <span>

#include "base/fields.h"
#include "nn/globs.h"
#include "nn/model.h"

namespace dl {

struct RegularizerFamily {
  static constexpr std::string_view what = "regularizer";
  DL_API static std::span<const Variant> variants();
};
using Regularizer = Typed<RegularizerFamily>;  // default-constructed: l1

// Adds the penalties of a model that is to be trained. Returns loss plus their sum, which becomes the graph output
// "penalty"; the loss itself where there are none. With w the weights of the layers that fit, and a the output of such a
// layer for a batch of N samples:
//   l1           weight sum |w|
//   l2           weight / 2 sum w^2, as the optimizer's weight_decay
//   elastic      weight (ratio sum |w| + (1 - ratio) / 2 sum w^2)
//   l21          weight sum over units (or inputs) of their Euclidean norms: whole units become zero (group lasso)
//   nuclear      weight times the sum of the singular values: low rank
//   orthogonal   weight |W W' - 1|^2 where W has no more rows than columns, else weight |W' W - 1|^2
//   activity_l1  weight sum |a| / N
//   activity_l2  weight / 2 sum a^2 / N
//   kl_sparsity  weight sum over units of r log(r / m) + (1 - r) log((1 - r) / (1 - m)), m the mean of a over the batch
// Error (config) below `pointer` for patterns that fit no layer.
DL_API ValueId add_penalties(Model& model, std::span<const Regularizer> regularizers, ValueId loss,
                             const std::string& pointer);

struct WeightNoise {
  double std = 0.01;
  Globs layers;
};
constexpr auto fields(const WeightNoise*) {
  return std::tuple{field("std", &WeightNoise::std, "Standard deviation.").at_least(0),
                    field("layers", &WeightNoise::layers, "Names or patterns of the layers; empty: all.")};
}
// Lets the network of a training step see its weights with normal noise, drawn anew for each step. To be called before
// anything that is to see them without.
DL_API void add_weight_noise(Model& model, const WeightNoise& noise, const std::string& pointer);

// Names of layers, and of those that have parameters, in order.
std::vector<std::string> layer_names(const Model& model);
DL_API std::vector<std::string> parameter_layers(const Model& model);

}  // namespace dl
