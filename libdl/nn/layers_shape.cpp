// Layers that rearrange or join: flatten, reshape, concat, and arithmetic of several inputs.
#include "nn/layer.h"

namespace dl {

struct ReshapeLayer {
  std::vector<int64_t> shape;
};
constexpr auto fields(const ReshapeLayer*) {
  return std::tuple{
      field("shape", &ReshapeLayer::shape,
            "Extents of one sample: 0 keeps the extent at that place, -1 (once) stands for what is left.")
          .range(-1, 1e12)
          .required()};
}

struct ConcatLayer {
  int64_t axis = 1;
};
constexpr auto fields(const ConcatLayer*) {
  return std::tuple{
      field("axis", &ConcatLayer::axis, "Axis to join along; 0 is the batch, 1 the channels or features.")
          .range(-kMaxRank, kMaxRank - 1)};
}

namespace {

ValueId build_flatten(LayerCtx& c) {
  const Shape& x = c.shape();
  return c.emit("reshape", {c.in[0]}, {{"shape", {x[0], x.elements(1, x.rank())}}});
}

ValueId build_reshape(LayerCtx& c) {
  const auto& a = c.as<ReshapeLayer>();
  if (a.shape.size() >= kMaxRank)
    c.fail("shape", str("has ", a.shape.size(), " extents, at most ", kMaxRank - 1));
  json extents{c.shape()[0]};
  for (int64_t extent : a.shape) extents.push_back(extent);
  return c.emit("reshape", {c.in[0]}, {{"shape", extents}});
}

ValueId build_concat(LayerCtx& c) { return c.emit("concat", c.in, {{"axis", c.as<ConcatLayer>().axis}}); }

// add and its like take two operands; further inputs are folded from the left.
ValueId build_fold(LayerCtx& c) {
  ValueId y = c.in[0];
  for (size_t i = 1; i < c.in.size(); ++i) y = c.emit(c.layer.type, {y, c.in[i]});
  return y;
}

}  // namespace

std::span<const LayerDef> shape_layers() {
  static const LayerDef all[] = {
      {"flatten", "Each sample as one row of features.", &attr_ops<NoAttrs>, 1, 1, build_flatten},
      {"reshape", "Each sample with other extents.", &attr_ops<ReshapeLayer>, 1, 1, build_reshape},
      {"concat", "Inputs joined along one axis.", &attr_ops<ConcatLayer>, 1, -1, build_concat},
      {"add", "Sum of its inputs, with broadcasting.", &attr_ops<NoAttrs>, 2, -1, build_fold},
      {"sub", "First input less the second, with broadcasting.", &attr_ops<NoAttrs>, 2, 2, build_fold},
      {"mul", "Product of its inputs element by element, with broadcasting.", &attr_ops<NoAttrs>, 2, -1,
       build_fold},
      {"div", "First input divided by the second, with broadcasting.", &attr_ops<NoAttrs>, 2, 2, build_fold},
      {"maximum", "Largest of its inputs element by element, with broadcasting.", &attr_ops<NoAttrs>, 2, -1,
       build_fold},
      {"minimum", "Smallest of its inputs element by element, with broadcasting.", &attr_ops<NoAttrs>, 2, -1,
       build_fold},
  };
  return all;
}

}  // namespace dl
