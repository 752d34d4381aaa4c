// dropout and batch_norm.
#include "base/random.h"
#include "nn/layer.h"

namespace dl {

struct DropoutLayer {
  double rate = 0.5;
};
constexpr auto fields(const DropoutLayer*) {
  return std::tuple{
      field("rate", &DropoutLayer::rate, "Fraction of elements set to zero in training.").range(0, 0.999)};
}

struct BatchNormLayer {
  double epsilon = 1e-5, momentum = 0.1;
};
constexpr auto fields(const BatchNormLayer*) {
  return std::tuple{
      field("epsilon", &BatchNormLayer::epsilon, "Added to the variance.").range(1e-12, 1),
      field("momentum", &BatchNormLayer::momentum, "Weight of the newest batch in the running statistics.")
          .range(0, 1),
  };
}

namespace {

ValueId build_dropout(LayerCtx& c) {
  const auto& a = c.as<DropoutLayer>();
  if (!c.training() || a.rate == 0) return c.in[0];
  const auto stream = static_cast<int64_t>(stream_id(c.layer.name) >> 2);
  return c.emit("dropout", {c.in[0], c.step_input()}, {{"rate", a.rate}, {"stream", stream}});
}

ValueId build_batch_norm(LayerCtx& c) {
  const auto& a = c.as<BatchNormLayer>();
  if (c.shape().rank() < 2) c.fail("", str("batch_norm takes channels or features, got ", c.sample_text()));
  const Shape channels{c.shape()[1]};
  const ValueId scale = c.gain("scale", channels, 1), bias = c.bias("bias", channels);
  const ValueId mean = c.state("running_mean", channels, 0), var = c.state("running_var", channels, 1);
  if (!c.training())
    return c.emit("batch_norm_inference", {c.in[0], scale, bias, mean, var}, {{"epsilon", a.epsilon}});
  const std::vector<ValueId> y = c.emit_all("batch_norm", {c.in[0], scale, bias, mean, var},
                                            {{"epsilon", a.epsilon}, {"momentum", a.momentum}});
  c.model.graph.updates.push_back({mean, y[3]});
  c.model.graph.updates.push_back({var, y[4]});
  return y[0];
}

}  // namespace

std::span<const LayerDef> norm_layers() {
  static const LayerDef all[] = {
      {"dropout",
       "Sets random elements to zero in training and scales the rest by 1 / (1 - rate); nothing otherwise.",
       &attr_ops<DropoutLayer>, 1, 1, build_dropout},
      {"batch_norm",
       "Each channel to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe and Szegedy "
       "2015); running "
       "statistics otherwise, and when frozen.",
       &attr_ops<BatchNormLayer>, 1, 1, build_batch_norm},
  };
  return all;
}

}  // namespace dl
