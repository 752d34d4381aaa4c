// Pooling to a given number of rows and columns, whatever the extents of the image.
#include "nn/layer.h"

namespace dl {

struct AdaptivePoolLayer {
  int64_t output[2] = {1, 1};
};
constexpr auto fields(const AdaptivePoolLayer*) {
  return std::tuple{field("output", &AdaptivePoolLayer::output,
                          "Rows and columns of the result: one number, or height and width.")
                        .range(1, 1e5)
                        .required()};
}

namespace {

// One axis: cell i takes indices floor(i extent / cells) up to ceil((i + 1) extent / cells), as PyTorch does. The mean of
// means of equally wide rows is the mean of the rectangle, so that one axis can follow the other.
ValueId pool_axis(LayerCtx& c, ValueId x, int axis, int64_t cells, const char* reduce) {
  const int64_t extent = c.model.graph.type(x).shape[axis];
  if (extent == cells) return x;
  std::vector<ValueId> parts;
  for (int64_t i = 0; i < cells; ++i) {
    const int64_t begin = i * extent / cells, end = ((i + 1) * extent + cells - 1) / cells;
    const ValueId part = c.emit("slice", {x}, {{"axis", axis}, {"begin", begin}, {"end", end}});
    parts.push_back(c.emit(reduce, {part}, {{"axes", {axis}}, {"keepdims", true}}));
  }
  return parts.size() == 1 ? parts[0] : c.emit("concat", parts, {{"axis", axis}});
}

ValueId build_adaptive(LayerCtx& c, const char* window, const char* reduce) {
  const auto& a = c.as<AdaptivePoolLayer>();
  c.need_images();
  c.sees_all = true;
  const int64_t h = c.shape()[2], w = c.shape()[3];
  if (h % a.output[0] == 0 && w % a.output[1] == 0) {
    const std::vector<int64_t> kernel{h / a.output[0], w / a.output[1]};
    return c.emit(window, {c.in[0]}, {{"kernel", kernel}, {"stride", kernel}});
  }
  return pool_axis(c, pool_axis(c, c.in[0], 2, a.output[0], reduce), 3, a.output[1], reduce);
}

ValueId build_adaptive_avg(LayerCtx& c) { return build_adaptive(c, "avg_pool2d", "reduce_mean"); }
ValueId build_adaptive_max(LayerCtx& c) { return build_adaptive(c, "max_pool2d", "reduce_max"); }

}  // namespace

std::span<const LayerDef> adaptive_layers() {
  static const LayerDef all[] = {
      {"adaptive_avg_pool2d", "Mean over a grid of cells that cover the image, `output` of them.",
       &attr_ops<AdaptivePoolLayer>, 1, 1, build_adaptive_avg},
      {"adaptive_max_pool2d", "Largest value in each cell of a grid that covers the image.",
       &attr_ops<AdaptivePoolLayer>, 1, 1, build_adaptive_max},
  };
  return all;
}

}  // namespace dl
