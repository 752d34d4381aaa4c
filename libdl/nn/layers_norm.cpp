// The norms: batch_norm, and those that look at one sample alone.
#include "nn/layer.h"

namespace dl {

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

struct LayerNormLayer {
  double epsilon = 1e-5;
  int64_t axis = -1;
  bool affine = true;
};
constexpr auto fields(const LayerNormLayer*) {
  using L = LayerNormLayer;
  return std::tuple{
      field("epsilon", &L::epsilon, "Added to the variance.").range(1e-12, 1),
      field("axis", &L::axis,
            "First of the axes that are averaged over: -1 the last alone, 1 all of a sample.")
          .range(-kMaxRank, kMaxRank - 1),
      field("affine", &L::affine, "Learn a scale and a bias for each element."),
  };
}

struct RmsNormLayer {
  double epsilon = 1e-6;
  int64_t axis = -1;
};
constexpr auto fields(const RmsNormLayer*) {
  using L = RmsNormLayer;
  return std::tuple{
      field("epsilon", &L::epsilon, "Added to the mean square.").range(1e-12, 1),
      field("axis", &L::axis,
            "First of the axes that are averaged over: -1 the last alone, 1 all of a sample.")
          .range(-kMaxRank, kMaxRank - 1),
  };
}

struct InstanceNormLayer {
  double epsilon = 1e-5;
  bool affine = true;
};
struct GroupNormLayer : InstanceNormLayer {
  int64_t groups = 32;
};
template <class L>
constexpr auto channel_fields() {
  return std::tuple{field("epsilon", &L::epsilon, "Added to the variance.").range(1e-12, 1),
                    field("affine", &L::affine, "Learn a scale and a bias for each channel.")};
}
constexpr auto fields(const InstanceNormLayer*) { return channel_fields<InstanceNormLayer>(); }
constexpr auto fields(const GroupNormLayer*) {
  return std::tuple_cat(
      std::tuple{
          field("groups", &GroupNormLayer::groups, "Groups that the channels are split into.").range(1, 1e7)},
      channel_fields<GroupNormLayer>());
}

struct LocalResponseNormLayer {
  int64_t size = 5;
  double alpha = 1e-4, beta = 0.75, k = 2;
  bool average = false;
};
constexpr auto fields(const LocalResponseNormLayer*) {
  using L = LocalResponseNormLayer;
  return std::tuple{
      field("size", &L::size, "Neighbouring channels that are summed over.").range(1, 1e6),
      field("alpha", &L::alpha, "Factor of the sum of squares.").range(0, 1e6),
      field("beta", &L::beta, "Exponent.").range(0, 100),
      field("k", &L::k, "Added to the sum.").range(1e-6, 1e6),
      field("average", &L::average,
            "alpha is the factor of the mean of the squares, as in Caffe and PyTorch, not of their sum, as "
            "in the paper."),
  };
}

struct UnitLengthLayer {
  int64_t axis = 1;
  double epsilon = 1e-12;
};
constexpr auto fields(const UnitLengthLayer*) {
  return std::tuple{
      field("axis", &UnitLengthLayer::axis, "Axis along which the length is taken; 1: channels or features.")
          .range(-kMaxRank, kMaxRank - 1),
      field("epsilon", &UnitLengthLayer::epsilon, "Added to the sum of squares.").range(1e-30, 1)};
}

namespace {

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

// An axis of the input besides the batch.
int axis_of(LayerCtx& c, int64_t axis) {
  const int rank = c.shape().rank();
  const int64_t at = axis < 0 ? axis + rank : axis;
  if (at < 1 || at >= rank)
    c.fail("axis", str(axis, " is none of the axes of ", c.sample_text(), ", which are 1 to ", rank - 1));
  return static_cast<int>(at);
}

// Scale and bias: learned, or constants that change nothing.
std::vector<ValueId> affine_operands(LayerCtx& c, bool learned, const Shape& shape) {
  if (learned) return {c.in[0], c.gain("scale", shape, 1), c.bias("bias", shape)};
  return {c.in[0], c.constant("one", shape, 1), c.constant("zero", shape, 0)};
}

Shape row_of(LayerCtx& c, int axis) {
  Shape row;
  for (int i = axis; i < c.shape().rank(); ++i) row.push_back(c.shape()[i]);
  return row;
}

ValueId build_layer_norm(LayerCtx& c) {
  const auto& a = c.as<LayerNormLayer>();
  const int axis = axis_of(c, a.axis);
  if (axis == 1) c.sees_all = true;
  return c.emit("layer_norm", affine_operands(c, a.affine, row_of(c, axis)),
                {{"epsilon", a.epsilon}, {"axis", axis}});
}

ValueId build_rms_norm(LayerCtx& c) {
  const auto& a = c.as<RmsNormLayer>();
  const int axis = axis_of(c, a.axis);
  if (axis == 1) c.sees_all = true;
  return c.emit("rms_norm", {c.in[0], c.gain("scale", row_of(c, axis), 1)},
                {{"epsilon", a.epsilon}, {"axis", axis}});
}

ValueId group_norm(LayerCtx& c, const InstanceNormLayer& a, int64_t groups, const char* key) {
  if (c.shape().rank() < 2) c.fail("", str(c.layer.type, " takes channels, got ", c.sample_text()));
  const int64_t channels = c.shape()[1];
  if (channels % groups) c.fail(key, str(channels, " channels cannot be split into ", groups, " groups"));
  c.sees_all = true;
  return c.emit("group_norm", affine_operands(c, a.affine, {channels}),
                {{"epsilon", a.epsilon}, {"groups", groups}});
}

ValueId build_group_norm(LayerCtx& c) {
  const auto& a = c.as<GroupNormLayer>();
  return group_norm(c, a, a.groups, "groups");
}

ValueId build_instance_norm(LayerCtx& c) {
  if (c.shape().rank() < 3)
    c.fail("", str("instance_norm takes channels of several elements, got ", c.sample_text()),
           "use layer_norm");
  return group_norm(c, c.as<InstanceNormLayer>(), c.shape()[1], "");
}

ValueId build_local_response_norm(LayerCtx& c) {
  const auto& a = c.as<LocalResponseNormLayer>();
  if (c.shape().rank() < 2) c.fail("", str("local_response_norm takes channels, got ", c.sample_text()));
  const double alpha =
      a.average ? a.alpha : a.alpha * static_cast<double>(a.size);  // the operator divides it
  return c.emit("local_response_norm", {c.in[0]},
                {{"size", a.size}, {"alpha", alpha}, {"beta", a.beta}, {"k", a.k}});
}

ValueId build_l2_normalize(LayerCtx& c) {
  const auto& a = c.as<UnitLengthLayer>();
  return c.unit_length(c.in[0], axis_of(c, a.axis), a.epsilon);
}

}  // namespace

std::span<const LayerDef> norm_layers() {
  static const LayerDef all[] = {
      {"batch_norm",
       "Each channel to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe and Szegedy "
       "2015); running "
       "statistics otherwise, and when frozen.",
       &attr_ops<BatchNormLayer>, 1, 1, build_batch_norm},
      {"layer_norm",
       "Each sample, from one axis on, to mean 0 and variance 1, then scaled and shifted (Ba et al. 2016).",
       &attr_ops<LayerNormLayer>, 1, 1, build_layer_norm},
      {"group_norm",
       "Each group of channels of each sample to mean 0 and variance 1, then each channel scaled and shifted "
       "(Wu and He "
       "2018): independent of the size of the batch.",
       &attr_ops<GroupNormLayer>, 1, 1, build_group_norm},
      {"instance_norm", "Group norm with a group for each channel (Ulyanov et al. 2016).",
       &attr_ops<InstanceNormLayer>, 1, 1, build_instance_norm},
      {"rms_norm",
       "Each sample, from one axis on, divided by its root mean square, then scaled (Zhang and Sennrich "
       "2019).",
       &attr_ops<RmsNormLayer>, 1, 1, build_rms_norm},
      {"local_response_norm",
       "x / (k + alpha sum of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al. 2012).",
       &attr_ops<LocalResponseNormLayer>, 1, 1, build_local_response_norm},
      {"l2_normalize", "Vectors along one axis scaled to length 1.", &attr_ops<UnitLengthLayer>, 1, 1,
       build_l2_normalize},
  };
  return all;
}

}  // namespace dl
