// build_model: expanded layers -> nodes.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "nn/layer.h"
#include "nn/model.h"
#include "ops/registry.h"

namespace dl {
namespace {

constexpr double kMostExtent = 1e9;

// Receptive field of a value: what one of its elements sees of the input images, and the distance in pixels
// between two.
struct Field2 {
  int64_t extent[2] = {1, 1};  // 0: all
  int64_t jump[2] = {1, 1};
};

class Builder {
 public:
  Builder(const json& section, const BuildOptions& options) : options_(options) {
    std::vector<std::string> names;
    for (const InputInfo& i : options.inputs) names.push_back(i.name);
    json given = json::object();
    if (options.classes > 0) given["classes"] = options.classes;
    model_.expanded = expand_model(section, given, names, options.pointer);
    model_.batch = options.batch;
    model_.training = options.training;
    model_.graph.name = model_.expanded.name;
  }

  Model run() {
    for (size_t i = 0; i < model_.expanded.inputs.size(); ++i) add_input(model_.expanded.inputs[i]);
    for (const ExpandedLayer& layer : model_.expanded.layers) add_layer(layer);
    for (const ExpandedOutput& o : model_.expanded.outputs)
      model_.graph.outputs.push_back({o.name, values_.at(o.layer)});
    return std::move(model_);
  }

 private:
  // ---- inputs

  // The data set's column for a declared input; null when the model is built without data.
  const InputInfo* data_for(const ExpandedInput& input) const {
    if (options_.inputs.empty()) return nullptr;
    std::vector<std::string> names;
    for (const InputInfo& i : options_.inputs) {
      if (i.name == input.name) return &i;
      names.push_back(i.name);
    }
    if (options_.inputs.size() == 1 && model_.expanded.inputs.size() == 1) return &options_.inputs[0];
    throw Error(Exit::config, input.pointer,
                str("the data set has no input '", input.name, "', it has ", join(names, ", ")));
  }

  TensorType declared_type(const ExpandedInput& input, const InputInfo* data) const {
    json shape = input.shape;
    std::string at = input.pointer;
    TensorType type = data ? data->type : TensorType{};
    if (shape.is_object()) {
      if (shape.contains("dtype") &&
          (!shape["dtype"].is_string() || !parse_dtype(shape["dtype"].get<std::string>(), type.dtype) ||
           size_of(type.dtype) == 2))  // those of 16 bits live on devices alone
        throw Error(Exit::config, at + "/dtype", "unknown element type, expected f32, f64, i32, i64 or u8");
      shape = shape.contains("shape") ? shape["shape"] : json();
      at += "/shape";
    }
    if (shape.is_null()) {
      if (!data)
        throw Error(Exit::config, at, str("the shape of input '", input.name, "' is not known without data"),
                    "give it in the model: \"inputs\": {\"image\": [1, 28, 28]}");
      return type;
    }
    std::vector<int64_t> extents;
    FieldType<std::vector<int64_t>>::parse(extents, shape, at, {1, kMostExtent});
    if (extents.size() >= kMaxRank)
      throw Error(Exit::config, at, str("more than ", kMaxRank - 1, " extents"));
    const Shape s{std::span<const int64_t>(extents)};
    if (data && !(data->type.shape == s))
      throw Error(Exit::config, at,
                  str("the model expects '", input.name, "' of shape [", s.text(), "], the data set has [",
                      data->type.shape.text(), "]"),
                  "null takes the shape from the data set");
    if (data && type.dtype != data->type.dtype)
      throw Error(
          Exit::config, input.pointer,
          str("the model expects ", name_of(type.dtype), ", the data set has ", name_of(data->type.dtype)));
    type.shape = s;
    return type;
  }

  void add_input(const ExpandedInput& input) {
    const InputInfo* data = data_for(input);
    const TensorType sample = declared_type(input, data);
    const std::string& name = data ? data->name : input.name;
    TensorType type{sample.dtype, {options_.batch}};
    double elements = static_cast<double>(options_.batch);
    for (int64_t extent : sample.shape) {
      type.shape.push_back(extent);
      elements *= static_cast<double>(extent);
    }
    if (elements > 1e12)
      throw Error(Exit::config, input.pointer, str("input '", name, "' is too large: ", type.text()));
    ValueId v = model_.graph.add_leaf(ValueKind::input, name, type);
    const auto it = options_.normalization.find(name);
    if (it != options_.normalization.end())
      v = standardize(v, name, it->second, input.pointer);
    else if (sample.dtype == DType::u8)
      v = standardize(v, name, {{0}, {255}}, input.pointer);
    values_[input.name] = v;
    fields_[v] = {};
  }

  ValueId standardize(ValueId x, const std::string& name, const Standardization& s,
                      const std::string& origin) {
    const Shape& shape = model_.graph.type(x).shape;
    const size_t n = s.mean.size();
    if (n != s.std.size() || (n != 1 && (shape.rank() < 2 || n != static_cast<size_t>(shape[1]))))
      throw Error(Exit::config, origin,
                  str("the normalisation of '", name, "' has ", n, " means and ", s.std.size(),
                      " deviations, the input ", model_.graph.type(x).text(), " has ",
                      shape.rank() > 1 ? shape[1] : 1, " channels"));
    const Shape constant = n == 1 ? Shape{} : Shape{static_cast<int64_t>(n)};
    Tensor shift(DType::f32, constant), scale(DType::f32, constant);
    for (size_t i = 0; i < n; ++i) {
      shift.data<float>()[i] = s.mean[i];
      scale.data<float>()[i] = s.std[i] > 0 ? 1 / s.std[i] : 1;  // a constant column becomes zero
    }
    const ValueId a = model_.graph.add_constant(name + ".mean", std::move(shift));
    const ValueId b = model_.graph.add_constant(name + ".scale", std::move(scale));
    return model_.graph.add(*find_op("normalize"), {x, a, b}, {}, name + ".normalize", origin);
  }

  // ---- layers

  void add_layer(const ExpandedLayer& layer) {
    LayerInfo info;
    info.name = layer.name;
    info.type = layer.type;
    info.origin = layer.pointer;
    try {
      build(layer, info);
    } catch (const Error& e) { throw name_layer(e, layer); }
    values_[layer.name] = info.output;
    model_.layers.push_back(std::move(info));
  }

  void build(const ExpandedLayer& layer, LayerInfo& info) {
    const LayerType type = find_layer_type(layer.type);
    const Attrs attrs = read_attributes(layer);
    LayerCtx ctx{
        .model = model_, .layer = layer, .info = info, .in = {}, .attrs = attrs.get(), .step = &step_};
    for (const std::string& name : layer.inputs) ctx.in.push_back(values_.at(name));
    if (const auto it = layer.common.find("freeze"); it != layer.common.end())
      FieldType<bool>::parse(info.frozen, it->second.value, it->second.pointer, {});
    info.frozen = info.frozen || is_frozen(options_.groups, layer.name);
    for (const std::string& name : options_.thawed)
      info.frozen = info.frozen && !names_layer(name, layer.name);
    const auto n = static_cast<int>(ctx.in.size());
    const int least = type.def ? type.def->least : 1, most = type.def ? type.def->most : 1;
    if (n < least || (most >= 0 && n > most))
      ctx.fail(n > 1 ? "inputs" : "",
               str(layer.type, " takes ", least == most ? str(least) : str(least, " or more"),
                   least == 1 && most == 1 ? " input" : " inputs", ", got ", n),
               n < least ? "name them: \"inputs\": [\"...\", \"...\"]" : "");
    if (type.def) {
      info.output = type.def->build(ctx);
    } else {
      info.output = model_.graph.add(*type.op, {ctx.in[0]}, attrs, layer.name, layer.pointer);
      ctx.sees_all = type.op->name.starts_with("reduce_");
    }
    check_size(ctx, info.output);
    set_field(ctx, info);
  }

  void check_size(const LayerCtx& ctx, ValueId v) const {
    double elements = 1;
    for (int64_t extent : model_.graph.type(v).shape) elements *= static_cast<double>(extent);
    if (elements > 1e12) ctx.fail("", str("its output ", model_.graph.type(v).text(), " is too large"));
  }

  void set_field(const LayerCtx& ctx, LayerInfo& info) {
    Field2 out;
    for (int axis = 0; axis < 2; ++axis) {
      bool all = ctx.sees_all;
      for (ValueId v : ctx.in) {
        const Field2& in = fields_[v];
        all = all || in.extent[axis] == 0;
        out.extent[axis] = std::max(out.extent[axis], in.extent[axis]);
        out.jump[axis] = std::max(out.jump[axis], in.jump[axis]);
      }
      constexpr double kMost = 1e9;  // wider than any image
      const auto reach = static_cast<double>(ctx.window[axis] - 1) * static_cast<double>(out.jump[axis]);
      out.extent[axis] =
          all ? 0 : static_cast<int64_t>(std::min(kMost, static_cast<double>(out.extent[axis]) + reach));
      out.jump[axis] =
          static_cast<int64_t>(std::min(kMost, static_cast<double>(out.jump[axis] * ctx.stride[axis])));
      out.jump[axis] = std::max<int64_t>(1, out.jump[axis] / ctx.magnification[axis]);
      info.receptive_field[axis] = out.extent[axis];
    }
    fields_[info.output] = out;
  }

  const BuildOptions& options_;
  Model model_;
  std::unordered_map<std::string, ValueId> values_;  // of inputs (as declared) and layers
  std::unordered_map<ValueId, Field2> fields_;
  ValueId step_ = kNone;
};

}  // namespace

bool names_layer(std::string_view name, std::string_view layer) {
  return name == "*" || name == layer ||
         (layer.starts_with(name) && layer.substr(name.size()).starts_with('/'));
}

const Parameter* Model::find_parameter(std::string_view name) const {
  for (const Parameter& p : parameters)
    if (p.name == name) return &p;
  return nullptr;
}

Model build_model(const json& section, const BuildOptions& options) {
  Model model = Builder(section, options).run();
  apply_groups(model, options.groups);
  return model;
}

static void set_lengths(Tensor& lengths, const Tensor& of) {
  const std::span<const float> v = of.data<float>();
  const std::span<float> out = lengths.data<float>();
  const size_t n = out.empty() ? 0 : v.size() / out.size();
  for (size_t row = 0; row < out.size(); ++row) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const double x = static_cast<double>(v[row * n + i]);
      sum += x * x;
    }
    out[row] = static_cast<float>(std::sqrt(sum));
  }
}

// All are asked for before one is touched: then they lie side by side and fill huge pages together.
std::map<std::string, Tensor> initial_values(const Model& model, uint64_t seed, Pool* pool) {
  std::map<std::string, Tensor> values;
  for (const Parameter& p : model.parameters) values[p.name] = Tensor(model.graph.type(p.value));
  for (const StateLeaf& s : model.states) values[s.name] = Tensor(model.graph.type(s.value));
  for (const Parameter& p : model.parameters) initialize(values[p.name], p.init, seed, p.name, pool);
  for (const Parameter& p : model.parameters)
    if (!p.lengths_of.empty()) set_lengths(values[p.name], values.at(p.lengths_of));
  for (const StateLeaf& s : model.states) {
    Tensor& t = values[s.name];
    if (t.dtype() == DType::f32 && s.fill != 0)
      std::ranges::fill(t.data<float>(), static_cast<float>(s.fill));
  }
  return values;
}

}  // namespace dl
