// Convolution and pooling of images.
#include "nn/padding.h"
#include "nn/weight_form.h"
#include "ops/registry.h"

namespace dl {

void FieldType<Padding>::parse(Padding& v, const json& j, const std::string& at, const Bounds& b) {
  constexpr const char* kForms = "\"valid\", \"same\", \"same_upper\", a number, two or four numbers";
  v = {};
  if (j.is_string()) {
    const auto& s = j.get_ref<const std::string&>();
    if (s == "same")
      v.rule = Padding::Rule::same;
    else if (s == "same_upper")
      v.rule = Padding::Rule::same_upper;
    else if (s != "valid")
      field_error(at, str("'", s, "' is no padding, expected ", kForms));
    return;
  }
  if (!j.is_array()) {
    if (!j.is_number()) field_error(at, str("expected ", kForms, ", got ", j.type_name()));
    int64_t n = 0;
    FieldType<int64_t>::parse(n, j, at, b);
    v.sides = {n, n, n, n};
    return;
  }
  if (j.size() != 2 && j.size() != 4) field_error(at, str("has ", j.size(), " numbers, expected ", kForms));
  for (size_t i = 0; i < 4; ++i)
    FieldType<int64_t>::parse(v.sides[i], j[i % j.size()], str(at, '/', i % j.size()), b);
}

json FieldType<Padding>::schema(const Bounds& b) {
  const json one = FieldType<int64_t>::schema(b);
  return {{"anyOf",
           {{{"enum", {"valid", "same", "same_upper"}}},
            one,
            {{"type", "array"}, {"items", one}, {"minItems", 2}, {"maxItems", 4}}}}};
}

json FieldType<Padding>::dump(const Padding& v) {
  if (v.rule == Padding::Rule::same) return "same";
  if (v.rule == Padding::Rule::same_upper) return "same_upper";
  return v.sides;
}

namespace {

// Bounds that keep every product of extents inside 64 bits.
constexpr double kMostChannels = 1e7, kMostWindow = 1e5;

}  // namespace

struct ConvLayer {
  int64_t filters = 0;
  int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  Padding padding;
  int64_t groups = 1;
  bool bias = true;
};
struct Conv2dLayer : ConvLayer, WeightUse {};
constexpr auto fields(const Conv2dLayer*) {
  using L = Conv2dLayer;
  return std::tuple_cat(
      std::tuple{
          field("filters", &L::filters, "Output channels.").range(1, kMostChannels).required(),
          field("kernel", &L::kernel, "Window: one number, or height and width.")
              .range(1, kMostWindow)
              .required(),
          field("stride", &L::stride, "Distance between windows.").range(1, kMostWindow),
          field("padding", &L::padding,
                "Zeros around the image: a rule, a number, [vertical, horizontal] or [top, left, bottom, "
                "right].")
              .range(0, kMostWindow),
          field("dilation", &L::dilation, "Distance between the taps of a window.").range(1, kMostWindow),
          field("groups", &L::groups,
                "Groups of channels that do not see each other; as many as channels: depthwise.")
              .range(1, kMostChannels),
          field("bias", &L::bias, "Add a bias."),
      },
      weight_use_fields<L>());
}

struct ConvTranspose2dLayer : ConvLayer {
  int64_t output_padding[2] = {0, 0};
};
constexpr auto fields(const ConvTranspose2dLayer*) {
  using L = ConvTranspose2dLayer;
  return std::tuple{
      field("filters", &L::filters, "Output channels.").range(1, kMostChannels).required(),
      field("kernel", &L::kernel, "Window that each pixel spreads over: one number, or height and width.")
          .range(1, kMostWindow)
          .required(),
      field("stride", &L::stride, "Distance between windows in the output.").range(1, kMostWindow),
      field("padding", &L::padding,
            "Cut off the output, as conv2d pads its input: numbers or \"same\"; \"same_upper\" leaves stride "
            "times the input.")
          .range(0, kMostWindow),
      field("output_padding", &L::output_padding,
            "Rows at the bottom and columns at the right added to the output, fewer than the stride.")
          .range(0, kMostWindow),
      field("dilation", &L::dilation, "Distance between the taps of a window.").range(1, kMostWindow),
      field("groups", &L::groups, "Groups of channels that do not see each other.").range(1, kMostChannels),
      field("bias", &L::bias, "Add a bias."),
  };
}

struct PoolLayer {
  int64_t kernel[2] = {2, 2}, stride[2] = {0, 0};
  Padding padding;
  bool ceil_mode = false;
};
struct AvgPoolLayer : PoolLayer {
  bool count_include_pad = false;
};
constexpr auto fields(const PoolLayer*) {
  using L = PoolLayer;
  return std::tuple{
      field("kernel", &L::kernel, "Window: one number, or height and width.").range(1, kMostWindow),
      field("stride", &L::stride, "Distance between windows; 0: as large as the window.")
          .range(0, kMostWindow),
      field("padding", &L::padding, "Rows and columns around the image, as for conv2d.")
          .range(0, kMostWindow),
      field("ceil_mode", &L::ceil_mode, "Keep a last window that reaches beyond the image."),
  };
}
constexpr auto fields(const AvgPoolLayer*) {
  return std::tuple_cat(fields(static_cast<const PoolLayer*>(nullptr)),
                        std::tuple{field("count_include_pad", &AvgPoolLayer::count_include_pad,
                                         "Padding counts in the mean.")});
}

struct GlobalPoolLayer {
  bool keepdims = false;
};
constexpr auto fields(const GlobalPoolLayer*) {
  return std::tuple{field("keepdims", &GlobalPoolLayer::keepdims, "Keep height and width as extents of 1.")};
}

namespace {

std::array<int64_t, 4> sides_of(LayerCtx& c, const Padding& p, const int64_t (&kernel)[2],
                                const int64_t (&stride)[2], const int64_t (&dilation)[2]) {
  std::array<int64_t, 4> sides = p.sides;
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t reach = (kernel[axis] - 1) * dilation[axis];  // extent of the window less one
    if (p.rule == Padding::Rule::same) {
      if (reach % 2)
        c.fail("padding", str("\"same\" cannot pad both sides equally for a window of ", reach + 1),
               "use \"same_upper\" or an odd kernel");
      sides[axis] = sides[axis + 2] = reach / 2;
    } else if (p.rule == Padding::Rule::same_upper) {
      const int64_t extent = c.shape()[static_cast<int>(axis) + 2];
      const int64_t windows = (extent + stride[axis] - 1) / stride[axis];
      const int64_t total = std::max<int64_t>(0, (windows - 1) * stride[axis] + reach + 1 - extent);
      sides[axis] = total / 2;
      sides[axis + 2] = total - total / 2;
    }
  }
  return sides;
}

void set_window(LayerCtx& c, const int64_t (&kernel)[2], const int64_t (&stride)[2],
                const int64_t (&dilation)[2]) {
  for (size_t axis = 0; axis < 2; ++axis) {
    c.window[axis] = (kernel[axis] - 1) * dilation[axis] + 1;
    c.stride[axis] = stride[axis];
  }
}

void need_groups(LayerCtx& c, const ConvLayer& a) {
  const int64_t channels = c.shape()[1];
  if (channels % a.groups || a.filters % a.groups)
    c.fail("groups", str(channels, " channels and ", a.filters, " filters cannot both be split into ",
                         a.groups, " groups"));
}

ValueId build_conv2d(LayerCtx& c) {
  const auto& a = c.as<Conv2dLayer>();
  c.need_images();
  need_groups(c, a);
  const std::array<int64_t, 4> pads = sides_of(c, a.padding, a.kernel, a.stride, a.dilation);
  set_window(c, a.kernel, a.stride, a.dilation);
  const Shape w{a.filters, c.shape()[1] / a.groups, a.kernel[0], a.kernel[1]};
  std::vector<ValueId> operands{c.in[0], used_weight(c, a, w)};
  if (a.bias) operands.push_back(c.bias("bias", {a.filters}));
  const ValueId y =
      c.emit("conv2d", operands,
             {{"stride", a.stride}, {"pads", pads}, {"dilation", a.dilation}, {"groups", a.groups}});
  const Shape& out = c.model.graph.type(y).shape;
  c.count_products(out.elements(1, 4), w.elements(1, 4));
  return y;
}

// What is cut off the result of a transposed convolution.
std::array<int64_t, 4> cut_sides(LayerCtx& c, const ConvTranspose2dLayer& a) {
  if (a.padding.rule != Padding::Rule::same_upper)
    return sides_of(c, a.padding, a.kernel, a.stride, a.dilation);
  std::array<int64_t, 4> sides{};
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t total = std::max<int64_t>(0, (a.kernel[axis] - 1) * a.dilation[axis] + 1 - a.stride[axis]);
    sides[axis] = total / 2;
    sides[axis + 2] = total - total / 2;
  }
  return sides;
}

ValueId build_conv_transpose2d(LayerCtx& c) {
  const auto& a = c.as<ConvTranspose2dLayer>();
  c.need_images();
  need_groups(c, a);
  for (int axis = 0; axis < 2; ++axis) {
    if (a.output_padding[axis] >= a.stride[axis])
      c.fail("output_padding", str(a.output_padding[axis], " is not less than the stride ", a.stride[axis]));
    // Of what one output sees: every stride-th tap of the window.
    const int64_t reach = (a.kernel[axis] - 1) * a.dilation[axis] + 1;
    c.window[axis] = (reach + a.stride[axis] - 1) / a.stride[axis];
    c.magnification[axis] = a.stride[axis];
  }
  // Initial values count the connections of this shape from its second extent on, as PyTorch does.
  const Shape x = c.shape(), w{x[1], a.filters / a.groups, a.kernel[0], a.kernel[1]};
  std::vector<ValueId> operands{c.in[0], c.weight("weight", w)};
  if (a.bias) operands.push_back(c.bias("bias", {a.filters}));
  c.count_products(x.elements(1, 4), w.elements(1, 4));
  return c.emit("conv_transpose2d", operands,
                {{"stride", a.stride},
                 {"pads", cut_sides(c, a)},
                 {"output_padding", a.output_padding},
                 {"dilation", a.dilation},
                 {"groups", a.groups}});
}

ValueId build_pool(LayerCtx& c, const PoolLayer& a, json op_attrs) {
  c.need_images();
  const int64_t stride[2] = {a.stride[0] ? a.stride[0] : a.kernel[0],
                             a.stride[1] ? a.stride[1] : a.kernel[1]};
  constexpr int64_t dilation[2] = {1, 1};
  set_window(c, a.kernel, stride, dilation);
  op_attrs["kernel"] = a.kernel;
  op_attrs["stride"] = stride;
  op_attrs["pads"] = sides_of(c, a.padding, a.kernel, stride, dilation);
  op_attrs["ceil_mode"] = a.ceil_mode;
  return c.emit(c.layer.type, {c.in[0]}, op_attrs);
}

ValueId build_max_pool2d(LayerCtx& c) { return build_pool(c, c.as<PoolLayer>(), json::object()); }

ValueId build_avg_pool2d(LayerCtx& c) {
  const auto& a = c.as<AvgPoolLayer>();
  return build_pool(c, a, {{"count_include_pad", a.count_include_pad}});
}

ValueId build_upsample2d(LayerCtx& c) {
  c.need_images();
  const json a = op::upsample2d.attrs->dump(c.attrs);
  for (size_t axis = 0; axis < 2; ++axis) {
    c.window[axis] = a.at("mode") == "nearest" ? 1 : 2;
    c.magnification[axis] = a.at("scale")[axis].get<int64_t>();
  }
  return c.emit("upsample2d", {c.in[0]}, a);
}

ValueId build_global_pool(LayerCtx& c) {
  c.need_images();
  c.sees_all = true;
  const char* op = c.layer.type == "global_max_pool2d" ? "reduce_max" : "reduce_mean";
  return c.emit(op, {c.in[0]}, {{"axes", {2, 3}}, {"keepdims", c.as<GlobalPoolLayer>().keepdims}});
}

}  // namespace

std::span<const LayerDef> conv_layers() {
  static const LayerDef all[] = {
      {"conv2d", "Convolution of images; weight (filters, channels / groups, height, width).",
       &attr_ops<Conv2dLayer>, 1, 1, build_conv2d},
      {"conv_transpose2d",
       "Transposed convolution, which enlarges images by its stride; weight (channels, filters / groups, "
       "height, width).",
       &attr_ops<ConvTranspose2dLayer>, 1, 1, build_conv_transpose2d},
      {"max_pool2d", "Largest value of each window.", &attr_ops<PoolLayer>, 1, 1, build_max_pool2d},
      {"avg_pool2d", "Mean of each window.", &attr_ops<AvgPoolLayer>, 1, 1, build_avg_pool2d},
      {"upsample2d", op::upsample2d.doc, op::upsample2d.attrs, 1, 1, build_upsample2d},
      {"global_avg_pool2d", "Mean of each channel: (channels, height, width) becomes (channels).",
       &attr_ops<GlobalPoolLayer>, 1, 1, build_global_pool},
      {"global_max_pool2d", "Largest value of each channel.", &attr_ops<GlobalPoolLayer>, 1, 1,
       build_global_pool},
  };
  return all;
}

}  // namespace dl
