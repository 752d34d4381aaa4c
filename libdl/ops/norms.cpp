// Norms with the statistics of each sample alone: layer norm (Ba et al. 2016), group norm (Wu and He 2018), of which instance
// norm (Ulyanov et al. 2016) is the one with a group for each channel, root-mean-square norm (Zhang and Sennrich 2019), and
// local response norm (Krizhevsky et al. 2012).
#include "kernels/norm_attrs.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const LayerNormAttrs*) {
  return std::tuple{
      field("epsilon", &LayerNormAttrs::epsilon, "Added to the variance.").onnx("epsilon").at_least(0),
      field("axis", &LayerNormAttrs::axis,
            "First of the axes that are averaged over; negative counts from the end.")
          .onnx("axis")};
}
constexpr auto fields(const GroupNormAttrs*) {
  return std::tuple{field("epsilon", &GroupNormAttrs::epsilon, "Added to the variance.").at_least(0),
                    field("groups", &GroupNormAttrs::groups, "Groups of neighbouring channels.").at_least(1)};
}
constexpr auto fields(const LocalResponseNormAttrs*) {
  using A = LocalResponseNormAttrs;
  return std::tuple{
      field("size", &A::size, "Neighbouring channels that are summed over.").onnx("size").range(1, 1e6),
      field("alpha", &A::alpha, "Factor of the mean square of the window.").onnx("alpha").at_least(0),
      field("beta", &A::beta, "Exponent.").onnx("beta").at_least(0),
      field("k", &A::k, "Added to the mean square.").onnx("bias").at_least(1e-6)};
}

namespace op {
namespace {

// Of rows: the extents before the averaged axes; of one row: the others.
struct RowShapes {
  Shape rows, row;
};

RowShapes layer_shapes(const InferCtx& c) {
  const TensorType& x = c.x(0);
  const int64_t axis = c.as<LayerNormAttrs>().axis, rank = x.shape.rank();
  c.require(is_real(x.dtype), str("takes f32, got ", x.text()));
  c.require(axis >= -rank && axis < rank, str("axis ", axis, " is out of range for x of rank ", rank));
  RowShapes s;
  for (int i = 0; i < rank; ++i) (i < (axis < 0 ? axis + rank : axis) ? s.rows : s.row).push_back(x.shape[i]);
  c.require(s.row.elements() > 0, str("has no elements to average in ", x.text()));
  return s;
}

RowShapes group_shapes(const InferCtx& c) {
  const TensorType& x = c.x(0);
  const int64_t groups = c.as<GroupNormAttrs>().groups;
  c.require(is_real(x.dtype) && x.shape.rank() >= 2, str("takes f32 (N, C, ...), got ", x.text()));
  c.require(x.shape[1] % groups == 0, str(x.shape[1], " channels cannot be split into ", groups, " groups"));
  c.require(x.shape.elements(1, x.shape.rank()) > 0, str("has no elements to average in ", x.text()));
  return {{x.shape[0], groups}, {x.shape[1]}};
}

// Inputs [from, to) are f32 of that shape.
void require_all(const InferCtx& c, size_t from, size_t to, const Shape& shape) {
  const TensorType want{DType::f32, shape};
  for (size_t i = from; i < to; ++i)
    c.require(c.x(i) == want,
              str("input ", i, " is ", c.x(i).text(), ", expected ", want.text(), " for x ", c.x(0).text()));
}

// x gamma beta -> y mean rstd; without beta and mean for rms_norm.
template <RowShapes (*kShapes)(const InferCtx&), bool kRms>
void infer_norm(InferCtx& c) {
  const RowShapes s = kShapes(c);
  require_all(c, 1, kRms ? 2 : 3, s.row);
  c.out.assign(kRms ? 2 : 3, {DType::f32, s.rows});
  c.out[0] = c.x(0);
}

// x dy gamma mean rstd -> dx dgamma dbeta; without mean and dbeta for rms_norm.
template <RowShapes (*kShapes)(const InferCtx&), bool kRms>
void infer_norm_grad(InferCtx& c) {
  const RowShapes s = kShapes(c);
  c.require(c.x(0) == c.x(1), str("x is ", c.x(0).text(), ", dy ", c.x(1).text()));
  require_all(c, 2, 3, s.row);
  require_all(c, 3, kRms ? 4 : 5, s.rows);
  c.out.assign(kRms ? 2 : 3, c.x(2));
  c.out[0] = c.x(0);
}

template <const OpDef& kGrad>
void grad_norm(GradCtx& c) {
  if (c.dy[0] == kNone) return;
  std::vector<ValueId> in{c.x(0), c.dy[0], c.x(1)};
  for (size_t i = 1; i < c.node.out.size(); ++i) in.push_back(c.y(i));
  const std::vector<ValueId> d = c.emit_all(kGrad, std::move(in), c.attrs());
  for (size_t i = 0; i < d.size(); ++i)
    if (c.needs(i)) c.dx[i] = d[i];
}

void require_channels(const InferCtx& c) {
  const TensorType& x = c.x(0);
  c.require(x.dtype == DType::f32 && x.shape.rank() >= 2, str("takes f32 (N, C, ...), got ", x.text()));
}

}  // namespace

const OpDef layer_norm{
    .name = "layer_norm",
    .doc =
        "Each row, all axes from `axis` on, to mean 0 and variance 1, times gamma plus beta, which have the "
        "extents of a "
        "row. Also gives the means and 1 / sqrt(var + epsilon), for the gradient.",
    .args = "x gamma beta",
    .results = "y mean rstd",
    .attrs = &attr_ops<LayerNormAttrs>,
    .traits = kInPlace,
    .infer = infer_norm<layer_shapes, false>,
    .grad = grad_norm<layer_norm_grad>,
    .flops = [](const InferCtx& c) { return 8 * c.x(0).elements(); },
};
const OpDef layer_norm_grad{
    .name = "layer_norm_grad",
    .doc = "Gradient of layer_norm, through the statistics of each row.",
    .args = "x dy gamma mean rstd",
    .results = "dx dgamma dbeta",
    .attrs = &attr_ops<LayerNormAttrs>,
    .traits = kInPlace,
    .in_place = {1, -1, -1, -1},
    .infer = infer_norm_grad<layer_shapes, false>,
    .flops = [](const InferCtx& c) { return 12 * c.x(0).elements(); },
};

const OpDef group_norm{
    .name = "group_norm",
    .doc =
        "Each group of channels (axis 1) of each sample to mean 0 and variance 1, times gamma plus beta, one "
        "pair for each "
        "channel. Also gives the means and 1 / sqrt(var + epsilon), (N, groups), for the gradient.",
    .args = "x gamma beta",
    .results = "y mean rstd",
    .attrs = &attr_ops<GroupNormAttrs>,
    .traits = kInPlace,
    .infer = infer_norm<group_shapes, false>,
    .grad = grad_norm<group_norm_grad>,
    .flops = [](const InferCtx& c) { return 8 * c.x(0).elements(); },
};
const OpDef group_norm_grad{
    .name = "group_norm_grad",
    .doc = "Gradient of group_norm, through the statistics of each group.",
    .args = "x dy gamma mean rstd",
    .results = "dx dgamma dbeta",
    .attrs = &attr_ops<GroupNormAttrs>,
    .traits = kInPlace,
    .in_place = {1, -1, -1, -1},
    .infer = infer_norm_grad<group_shapes, false>,
    .flops = [](const InferCtx& c) { return 12 * c.x(0).elements(); },
};

const OpDef rms_norm{
    .name = "rms_norm",
    .doc =
        "Each row, all axes from `axis` on, divided by sqrt(mean of x^2 + epsilon), times gamma. Also gives "
        "the factors, "
        "for the gradient.",
    .args = "x gamma",
    .results = "y rstd",
    .attrs = &attr_ops<LayerNormAttrs>,
    .traits = kInPlace,
    .infer = infer_norm<layer_shapes, true>,
    .grad = grad_norm<rms_norm_grad>,
    .flops = [](const InferCtx& c) { return 5 * c.x(0).elements(); },
};
const OpDef rms_norm_grad{
    .name = "rms_norm_grad",
    .doc = "Gradient of rms_norm, through the mean square of each row.",
    .args = "x dy gamma rstd",
    .results = "dx dgamma",
    .attrs = &attr_ops<LayerNormAttrs>,
    .traits = kInPlace,
    .in_place = {1, -1, -1, -1},
    .infer = infer_norm_grad<layer_shapes, true>,
    .flops = [](const InferCtx& c) { return 9 * c.x(0).elements(); },
};

const OpDef local_response_norm{
    .name = "local_response_norm",
    .doc =
        "x / s^beta, s = k + alpha / size sum of x^2 over the (size - 1) / 2 channels below, the channel "
        "itself and the "
        "size / 2 above. Also gives s, for the gradient.",
    .args = "x",
    .results = "y s",
    .attrs = &attr_ops<LocalResponseNormAttrs>,
    .infer =
        [](InferCtx& c) {
          require_channels(c);
          c.out = {c.x(0), c.x(0)};
        },
    .grad =
        [](GradCtx& c) {
          if (c.dy[0] != kNone)
            c.dx[0] = c.emit(local_response_norm_grad, {c.x(0), c.y(), c.y(1), c.dy[0]}, c.attrs());
        },
    .flops =
        [](const InferCtx& c) { return (2 * c.as<LocalResponseNormAttrs>().size + 20) * c.x(0).elements(); },
};
const OpDef local_response_norm_grad{
    .name = "local_response_norm_grad",
    .doc = "Gradient of local_response_norm.",
    .args = "x y s dy",
    .results = "dx",
    .attrs = &attr_ops<LocalResponseNormAttrs>,
    .infer =
        [](InferCtx& c) {
          require_channels(c);
          require_all(c, 1, 4, c.x(0).shape);
          infer_same_as_first(c);
        },
    .flops = [](const InferCtx& c) { return (c.as<LocalResponseNormAttrs>().size + 24) * c.x(0).elements(); },
};

}  // namespace op
}  // namespace dl
