// Layers with weights and windows, from ONNX.
#include <cmath>

#include "base/str.h"
#include "exchange/onnx_importer.h"

namespace dl {
namespace {

using Node = OnnxImporter::Node;

constexpr int64_t kMostWindow = 100000;

// Attributes that the config's layers share: sides top, left, bottom, right, or a rule.
struct Window {
  Extents kernel, stride, dilation, pads;
  bool same_upper = false;

  Window(OnnxImporter& im, const Node& n, Extents extents) : kernel(std::move(extents)) {
    if (kernel.size() != 2) im.fail(n, "is supported for images (N, C, H, W) alone");
    const std::string rule = n.call.text("auto_pad", "NOTSET");
    pads = n.call.integers("pads", {0, 0, 0, 0});
    stride = n.call.integers("strides", {1, 1});
    dilation = n.call.integers("dilations", {1, 1});
    if (rule == "SAME_LOWER") im.fail(n, "auto_pad SAME_LOWER is not supported");
    same_upper = rule == "SAME_UPPER";
    if (rule == "VALID") pads = {0, 0, 0, 0};
    if (pads.size() != 4 || stride.size() != 2 || dilation.size() != 2)
      im.fail(n, "expected 4 pads, 2 strides and 2 dilations");
    for (const Extents* list : {&kernel, &stride, &dilation})
      for (int64_t v : *list)
        if (v < 1 || v > kMostWindow) im.fail(n, str("an extent of its window is ", v));
    for (int64_t v : pads)
      if (v < 0 || v > kMostWindow) im.fail(n, str("pads of ", v, " are not supported"));
  }
  json attributes() const {
    return {
        {"kernel", kernel}, {"stride", stride}, {"padding", same_upper ? json("same_upper") : json(pads)}};
  }
  // Extents of the result; with `ceil` a last window may end outside.
  int64_t extent(int64_t in, size_t axis, bool ceil = false) const {
    if (same_upper) return (in + stride[axis] - 1) / stride[axis];
    const int64_t room = in + pads[axis] + pads[axis + 2] - (dilation[axis] * (kernel[axis] - 1) + 1);
    if (room < 0) return 0;
    int64_t out = (room + (ceil ? stride[axis] - 1 : 0)) / stride[axis] + 1;
    if (ceil && (out - 1) * stride[axis] >= in + pads[axis]) --out;
    return out;
  }
};

Imported image(OnnxImporter& im, const Node& n) {
  Imported x = im.computed(n, 0);
  if (x.shape.size() != 4)
    im.fail(n, str("is supported for images (N, C, H, W), got ", x.shape.size(), " axes"));
  return x;
}

void conv(OnnxImporter& im, Node& n) {
  const Imported x = image(im, n);
  const OnnxValue& w = im.constant(n, 1);
  if (w.shape.size() != 4 || w.shape[0] < 1) im.fail(n, "its weight is not (out, in / groups, kh, kw)");
  const Window window(im, n, n.call.integers("kernel_shape", {w.shape[2], w.shape[3]}));
  const int64_t groups = n.call.integer("group", 1);
  if (window.kernel != Extents{w.shape[2], w.shape[3]} || groups < 1 || w.shape[1] * groups != x.shape[1])
    im.fail(n, "kernel, groups and channels do not fit the weight");
  json a = window.attributes();
  a["filters"] = w.shape[0];
  a["dilation"] = window.dilation;
  a["groups"] = groups;
  a["bias"] = im.has(n, 2);
  const std::string name = im.add(
      n, "conv2d", {x.layer}, a,
      {im.batch(), w.shape[0], window.extent(x.shape[2], 0), window.extent(x.shape[3], 1)}, im.stem_of(n, 1));
  im.parameter(name, "weight", w, w.shape);
  if (im.has(n, 2)) im.parameter(name, "bias", im.constant(n, 2), {w.shape[0]});
}

void conv_transpose(OnnxImporter& im, Node& n) {
  const Imported x = image(im, n);
  const OnnxValue& w = im.constant(n, 1);
  if (w.shape.size() != 4) im.fail(n, "its weight is not (in, out / groups, kh, kw)");
  const Window window(im, n, {w.shape[2], w.shape[3]});
  const int64_t groups = n.call.integer("group", 1);
  const Extents more = n.call.integers("output_padding", {0, 0});
  if (n.call.attribute("output_shape") || window.same_upper)
    im.fail(n, "output_shape and auto_pad are not supported");
  if (groups < 1 || w.shape[0] != x.shape[1] || more.size() != 2 || w.shape[1] > (int64_t{1} << 30) / groups)
    im.fail(n, "groups and channels do not fit the weight");
  Extents out{im.batch(), w.shape[1] * groups};
  for (size_t i = 0; i < 2; ++i)
    out.push_back((x.shape[i + 2] - 1) * window.stride[i] + window.dilation[i] * (window.kernel[i] - 1) + 1 +
                  more[i] - window.pads[i] - window.pads[i + 2]);
  json a = window.attributes();
  a["filters"] = w.shape[1] * groups;
  a["dilation"] = window.dilation;
  a["output_padding"] = more;
  a["groups"] = groups;
  a["bias"] = im.has(n, 2);
  const std::string name = im.add(n, "conv_transpose2d", {x.layer}, a, out, im.stem_of(n, 1));
  im.parameter(name, "weight", w, w.shape);
  if (im.has(n, 2)) im.parameter(name, "bias", im.constant(n, 2), {out[1]});
}

// (rows, columns) turned and multiplied.
OnnxValue turned(const OnnxValue& w, bool turn, double factor) {
  OnnxValue out = w;
  if (turn) {
    out.shape = {w.shape[1], w.shape[0]};
    for (int64_t r = 0; r < w.shape[0]; ++r)
      for (int64_t c = 0; c < w.shape[1]; ++c)
        out.v[static_cast<size_t>(c * w.shape[0] + r)] = w.v[static_cast<size_t>(r * w.shape[1] + c)];
  }
  for (double& v : out.v) v *= factor;
  return out;
}

void dense(OnnxImporter& im, const Node& n, const OnnxValue& w, const OnnxValue* bias) {
  const Imported x = im.computed(n, 0);
  if (x.shape.size() < 2 || x.shape.size() == 4 || x.shape.back() != w.shape[1])
    im.fail(n, "its operand does not fit the weight");
  Extents out = x.shape;
  out.back() = w.shape[0];
  const std::string name = im.add(n, "dense", {x.layer}, {{"units", w.shape[0]}, {"bias", bias != nullptr}},
                                  out, im.stem_of(n, 1));
  im.parameter(name, "weight", w, w.shape);
  if (bias) im.parameter(name, "bias", *bias, {w.shape[0]});
}

void gemm(OnnxImporter& im, Node& n) {
  const OnnxValue& w = im.constant(n, 1);
  if (n.call.integer("transA", 0) != 0 || w.shape.size() != 2)
    im.fail(n, "transA and weights that are no matrix are not supported");
  const OnnxValue weight = turned(w, n.call.integer("transB", 0) == 0, n.call.real("alpha", 1));
  if (!im.has(n, 2)) return dense(im, n, weight, nullptr);
  OnnxValue bias = im.constant(n, 2);
  for (double& v : bias.v) v *= n.call.real("beta", 1);
  if (bias.size() == 1) bias.v.assign(static_cast<size_t>(weight.shape[0]), bias.v[0]);
  dense(im, n, weight, &bias);
}

void matmul(OnnxImporter& im, Node& n) {
  const OnnxValue* w = im.constant_if(n, 1);
  if (!w) im.fail(n, "the product of two computed values is not supported");
  if (w->shape.size() != 2) im.fail(n, "its weight is no matrix");
  dense(im, n, turned(*w, true, 1), nullptr);
}

void batch_norm(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  if (x.shape.size() < 2 || n.call.integer("training_mode", 0) != 0 || n.call.integer("spatial", 1) != 1)
    im.fail(n, "is supported with given statistics for each channel");
  const double momentum = n.call.real("momentum", 0.9);
  const std::string name =
      im.add(n, "batch_norm", {x.layer},
             {{"epsilon", n.call.real("epsilon", 1e-5)}, {"momentum", std::clamp(1 - momentum, 0.0, 1.0)}},
             x.shape, im.stem_of(n, 1));
  const char* suffixes[] = {"scale", "bias", "running_mean", "running_var"};
  for (int i = 0; i < 4; ++i) im.parameter(name, suffixes[i], im.constant(n, i + 1), {x.shape[1]});
}

void pool(OnnxImporter& im, Node& n, const char* type) {
  const Imported x = image(im, n);
  const Window w(im, n, n.call.integers("kernel_shape", {}));
  if (w.dilation != Extents{1, 1}) im.fail(n, "dilations are not supported");
  const bool ceil = n.call.integer("ceil_mode", 0) != 0;
  json a = w.attributes();
  a["ceil_mode"] = ceil;
  if (std::string_view(type) == "avg_pool2d")
    a["count_include_pad"] = n.call.integer("count_include_pad", 0) != 0;
  im.add(n, type, {x.layer}, a,
         {im.batch(), x.shape[1], w.extent(x.shape[2], 0, ceil), w.extent(x.shape[3], 1, ceil)});
}
void max_pool(OnnxImporter& im, Node& n) { pool(im, n, "max_pool2d"); }
void avg_pool(OnnxImporter& im, Node& n) { pool(im, n, "avg_pool2d"); }

void global_pool(OnnxImporter& im, Node& n) {
  const Imported x = image(im, n);
  im.add(n, n.proto.op_type() == "GlobalMaxPool" ? "global_max_pool2d" : "global_avg_pool2d", {x.layer},
         {{"keepdims", true}}, {im.batch(), x.shape[1], 1, 1});
}

void dropout(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  double rate = n.call.real("ratio", 0.5);
  if (const OnnxValue* given = im.constant_if(n, 1)) rate = given->size() == 1 ? given->v[0] : 0.5;
  if (!(rate >= 0 && rate < 0.999)) im.fail(n, "its ratio is out of range");
  im.add(n, "dropout", {x.layer}, {{"rate", static_cast<float>(rate)}}, x.shape);
}

void resize(OnnxImporter& im, Node& n) {
  const Imported x = image(im, n);
  const bool old = n.proto.op_type() == "Upsample" || n.proto.input_size() == 2;
  const std::string mode = n.call.text("mode", "nearest"),
                    where = n.call.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  Extents scale;
  const OnnxValue* sizes = im.constant_if(n, 3);
  const OnnxValue& given = sizes && sizes->size() > 0 ? *sizes : im.constant(n, old ? 1 : 2);
  if (given.size() != 4) im.fail(n, "expected 4 scales or sizes");
  for (size_t i = 0; i < 4; ++i) {
    const double s = &given == sizes ? given.v[i] / static_cast<double>(x.shape[i]) : given.v[i];
    if (!(s >= 1 && s <= 1000) || s != std::floor(s) || (i < 2 && s != 1))
      im.fail(n, "its scales are not whole numbers of height and width");
    scale.push_back(static_cast<int64_t>(s));
  }
  const std::string rounding = n.call.text("nearest_mode", old ? "floor" : "round_prefer_floor");
  const bool nearest = mode == "nearest" && where == "asymmetric" && rounding == "floor";
  const bool linear =
      (mode == "linear" || mode == "bilinear") && (where == "half_pixel" || where == "pytorch_half_pixel");
  if (!nearest && !linear) im.fail(n, str("mode ", mode, " with ", where, " coordinates is not supported"));
  im.add(n, "upsample2d", {x.layer},
         {{"scale", {scale[2], scale[3]}}, {"mode", nearest ? "nearest" : "bilinear"}},
         {im.batch(), x.shape[1], x.shape[2] * scale[2], x.shape[3] * scale[3]});
}

void softmax(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  const auto rank = static_cast<int64_t>(x.shape.size());
  const int64_t given = n.call.integer("axis", n.call.opset < 13 ? 1 : -1),
                axis = given < 0 ? given + rank : given;
  if (axis < 1 || axis >= rank || (n.call.opset < 13 && axis != rank - 1))
    im.fail(n, "its axis is not supported");
  im.add(n, n.proto.op_type() == "Softmax" ? "softmax" : "log_softmax", {x.layer}, {{"axis", axis}}, x.shape);
}

void local_response_norm(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  im.add(n, "local_response_norm", {x.layer},
         {{"size", n.call.integer("size", 1)},
          {"alpha", n.call.real("alpha", 1e-4f)},
          {"beta", n.call.real("beta", 0.75f)},
          {"k", n.call.real("bias", 1)},
          {"average", true}},
         x.shape);
}

}  // namespace

std::vector<std::pair<std::string_view, OnnxHandler>> onnx_layer_handlers() {
  return {{"Conv", conv},
          {"ConvTranspose", conv_transpose},
          {"Gemm", gemm},
          {"MatMul", matmul},
          {"BatchNormalization", batch_norm},
          {"MaxPool", max_pool},
          {"AveragePool", avg_pool},
          {"GlobalAveragePool", global_pool},
          {"GlobalMaxPool", global_pool},
          {"Dropout", dropout},
          {"Resize", resize},
          {"Upsample", resize},
          {"LRN", local_response_norm},
          {"Softmax", softmax},
          {"LogSoftmax", softmax}};
}

}  // namespace dl
