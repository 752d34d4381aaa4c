// Norms as ONNX nodes. What they give for their gradients has no ONNX form.
#include <algorithm>

#include "exchange/onnx_emit.h"

namespace dl {
namespace {

// Whether anything reads an output besides the first.
bool more_is_read(const OnnxEmitter& e, const Node& n) {
  const auto further = [&](ValueId v) { return std::find(n.out.begin() + 1, n.out.end(), v) != n.out.end(); };
  for (const Node& other : e.graph().nodes)
    if (std::any_of(other.in.begin(), other.in.end(), further)) return true;
  return std::any_of(e.graph().outputs.begin(), e.graph().outputs.end(),
                     [&](const GraphOutput& o) { return further(o.value); });
}

bool layer_norm(OnnxEmitter& e, const Node& n) {
  if (more_is_read(e, n)) return false;
  e.add("LayerNormalization", 17, {e.name(n.in[0]), e.name(n.in[1]), e.name(n.in[2])},
        n.op->attrs->onnx(n.attrs.get()), e.name(n.out[0]));
  return true;
}

// The groups as the channels of an instance norm: GroupNormalization has one factor for each channel from opset 21 on only.
bool group_norm(OnnxEmitter& e, const Node& n) {
  if (more_is_read(e, n)) return false;
  const json a = e.attributes(n);
  const Shape& x = e.graph().type(n.in[0]).shape;
  const auto groups = a.at("groups").get<int64_t>();
  const json attributes{{"epsilon", a.at("epsilon")}};
  if (groups == x[1] && x.rank() > 2) {
    e.add("InstanceNormalization", 13, {e.name(n.in[0]), e.name(n.in[1]), e.name(n.in[2])}, attributes,
          e.name(n.out[0]));
    return true;
  }
  const std::string rows = e.add("Reshape", 13, {e.name(n.in[0]), e.integers({0, groups, -1})});
  const std::vector<float> one(static_cast<size_t>(groups), 1.f), zero(one.size(), 0.f);
  const std::string normal =
      e.add("InstanceNormalization", 13, {rows, e.floats(one), e.floats(zero)}, attributes);
  std::vector<int64_t> extents(x.begin(), x.end()), column(static_cast<size_t>(x.rank() - 1), 1);
  extents[0] = 0;  // the batch may have any size
  column[0] = x[1];
  const auto aligned = [&](ValueId v) { return e.add("Reshape", 13, {e.name(v), e.integers(column)}); };
  const std::string image = e.add("Reshape", 13, {normal, e.integers(extents)});
  e.add("Add", 13, {e.add("Mul", 13, {image, aligned(n.in[1])}), aligned(n.in[2])}, {}, e.name(n.out[0]));
  return true;
}

// RMSNormalization came with opset 23.
bool rms_norm(OnnxEmitter& e, const Node& n) {
  if (more_is_read(e, n)) return false;
  const json a = e.attributes(n);
  const int rank = e.graph().type(n.in[0]).shape.rank();
  std::vector<int64_t> axes;
  for (int64_t axis = a.at("axis").get<int64_t>(), i = axis < 0 ? axis + rank : axis; i < rank; ++i)
    axes.push_back(i);
  const std::string x = e.name(n.in[0]), square = e.add("Mul", 13, {x, x});
  const std::string mean = e.target() >= 18
                               ? e.add("ReduceMean", 18, {square, e.integers(axes)}, {{"keepdims", 1}})
                               : e.add("ReduceMean", 13, {square}, {{"axes", axes}, {"keepdims", 1}});
  const std::string root =
      e.add("Sqrt", 13, {e.add("Add", 13, {mean, e.scalar(a.at("epsilon").get<float>())})});
  e.add("Mul", 13, {e.add("Div", 13, {x, root}), e.name(n.in[1])}, {}, e.name(n.out[0]));
  return true;
}

// Runtimes know LRN of images and windows with a middle; the mean of any other window is that of a pool over the channels.
bool local_response_norm(OnnxEmitter& e, const Node& n) {
  if (more_is_read(e, n)) return false;
  const json a = e.attributes(n);
  const Shape& shape = e.graph().type(n.in[0]).shape;
  const auto size = a.at("size").get<int64_t>();
  const std::string x = e.name(n.in[0]);
  if (size % 2 == 1 && shape.rank() == 4) {
    e.add("LRN", 13, {x}, n.op->attrs->onnx(n.attrs.get()), e.name(n.out[0]));
    return true;
  }
  std::vector<int64_t> extents(shape.begin(), shape.end());
  extents[0] = 0;  // the batch may have any size
  const std::string columns =
      e.add("Reshape", 13, {e.add("Mul", 13, {x, x}), e.integers({0, 1, shape[1], -1})});
  const json window{
      {"kernel_shape", {size, 1}}, {"pads", {(size - 1) / 2, 0, size / 2, 0}}, {"count_include_pad", 1}};
  const std::string mean = e.add("AveragePool", 13, {columns}, window);
  const std::string scaled = e.add("Mul", 13, {mean, e.scalar(a.at("alpha").get<float>())});
  const std::string sum = e.add("Add", 13, {scaled, e.scalar(a.at("k").get<float>())});
  const std::string power = e.add("Pow", 13, {sum, e.scalar(a.at("beta").get<float>())});
  e.add("Div", 13, {x, e.add("Reshape", 13, {power, e.integers(extents)})}, {}, e.name(n.out[0]));
  return true;
}

constexpr OnnxSpecial kNorms[] = {{"layer_norm", layer_norm},
                                  {"group_norm", group_norm},
                                  {"rms_norm", rms_norm},
                                  {"local_response_norm", local_response_norm}};

}  // namespace

std::span<const OnnxSpecial> onnx_norm_emitters() { return kNorms; }

}  // namespace dl
