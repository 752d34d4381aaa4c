#pragma once
// How a layer of the config becomes nodes. Adding a layer: a struct of attributes with its field list, a
// build function, and a line in the table of its file.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/model.h"

namespace dl {

// What a build function works with. Values are of the graph that is being built.
struct LayerCtx {
  Model& model;
  const ExpandedLayer& layer;
  LayerInfo& info;  // builders add multiply_adds and the window that images are looked at through
  std::vector<ValueId> in;
  const void* attrs = nullptr;  // of the layer's struct
  ValueId* step = nullptr;      // the model's "step" input, made on first use
  int64_t window[2] = {1, 1};   // extent of what one output sees of the layer's input, and the stride
  int64_t stride[2] = {1, 1};
  int64_t magnification[2] = {1, 1};  // outputs for each step of the window
  bool sees_all = false;              // one output sees the whole input

  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
  bool training() const { return model.training && !frozen(); }
  bool frozen() const { return info.frozen; }
  const Shape& shape(size_t i = 0) const { return model.graph.type(in[i]).shape; }
  // Extents without the batch, for messages: "(16, 5, 5)".
  std::string sample_text(size_t i = 0) const;

  // Adds leaf "<layer>.<suffix>". Weights take the layer's "init", which is he_uniform unless given; others
  // "bias_init", which is zero unless given.
  ValueId weight(std::string_view suffix, const Shape& shape);
  ValueId bias(std::string_view suffix, const Shape& shape);
  // A parameter that is neither: no decay, starts at `fill`.
  ValueId gain(std::string_view suffix, const Shape& shape, double fill);
  ValueId state(std::string_view suffix, const Shape& shape, double fill);
  // A constant "<layer>.<suffix>" of equal numbers.
  ValueId constant(std::string_view suffix, const Shape& shape, float fill);
  // Adds a node of the named operator; `op_attrs` as in JSON.
  std::vector<ValueId> emit_all(std::string_view op, std::vector<ValueId> inputs,
                                const json& op_attrs = json::object());
  ValueId emit(std::string_view op, std::vector<ValueId> inputs, const json& op_attrs = json::object()) {
    return emit_all(op, std::move(inputs), op_attrs)[0];
  }
  ValueId step_input();
  // The "stream" of the layer's operator that draws random numbers; `use` tells several of them apart.
  int64_t stream(std::string_view use = {}) const;
  // x over its length along an axis, sqrt(sum x^2 + epsilon).
  ValueId unit_length(ValueId x, int axis, double epsilon);
  // Adds to info.multiply_adds: `outputs` values of `terms` products each. Saturates.
  void count_products(int64_t outputs, int64_t terms);
  // Error at one of the layer's keys ("" for the layer itself).
  [[noreturn]] void fail(std::string_view key, const std::string& message,
                         const std::string& hint = {}) const;
  // The input must be images (N, C, H, W).
  void need_images() const;

 private:
  ValueId parameter(std::string_view suffix, const Shape& shape, Initializer init, bool decay);
  Initializer initializer(const char* key, const char* fallback) const;
};

struct LayerDef {
  std::string_view name;
  std::string_view doc;
  const AttrOps* attrs = &attr_ops<NoAttrs>;
  int least = 1, most = 1;                // inputs; most = -1: any number
  ValueId (*build)(LayerCtx&) = nullptr;  // returns the layer's value
};

std::span<const LayerDef> dense_layers();
std::span<const LayerDef> conv_layers();
std::span<const LayerDef> shape_layers();
std::span<const LayerDef> norm_layers();
std::span<const LayerDef> random_layers();
std::span<const LayerDef> activation_layers();
std::span<const LayerDef> adaptive_layers();

// Layers written in nn/ first, then every operator of one input that is differentiable, under its own name.
struct LayerType {
  const LayerDef* def = nullptr;
  const OpDef* op = nullptr;  // when def is null
};
LayerType find_layer_type(std::string_view name);          // both null when unknown
DL_API std::vector<std::string> layer_types();             // all names
DL_API std::string_view layer_doc(std::string_view name);  // of a known type
DL_API json layer_schema(std::string_view name);           // of its own attributes
// The attributes of a layer as its type's struct.
Attrs read_attributes(const ExpandedLayer& layer);
// The same error with the layer's name in front and the blocks behind.
Error name_layer(const Error& e, const ExpandedLayer& layer);

}  // namespace dl
