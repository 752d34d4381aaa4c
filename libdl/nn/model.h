#pragma once
// From the model section of a config to a forward graph:
//
//   Model m = build_model(config.section("model"), {.batch = 128, .training = true, .classes = 10});
//   add_losses(m, losses, targets);                              // nn/loss.h
//   autodiff(m.graph, m.graph.output("loss"), ...);              // passes/
//   add_optimizer(m, optimizer, gradients);                      // nn/optimizer.h
//
// The values of parameters and states live outside the graph, by name; initial_values() gives the first ones.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "graph/graph.h"
#include "nn/expand.h"
#include "nn/groups.h"
#include "nn/init.h"

namespace dl {

// What the data set gives: the name of an input and the type of one sample (no batch extent).
struct InputInfo {
  std::string name;
  TensorType type;
};

// What the first node does to an input: (x - mean) / std, fitted on the training part; along the first axis
// of a sample (channels of an image, features of a row), or one number for all.
struct Standardization {
  std::vector<float> mean, std;
};

struct BuildOptions {
  int64_t batch = 1;
  // Dropout drops and batch norm uses the statistics of the batch. Otherwise the inference form is built.
  bool training = true;
  // In the order of the data set. When empty, the model's own declared shapes are used, as f32. A single
  // input takes the data set's name, whatever the model calls it.
  std::vector<InputInfo> inputs = {};
  int64_t classes = 0;  // "$classes"; 0: not known
  // Layers, or blocks of them, whose "freeze" does not count; "*": all.
  std::vector<std::string> thawed = {};
  // By input name. A u8 input without an entry is divided by 255.
  std::map<std::string, Standardization> normalization = {};
  std::vector<ParameterGroup> groups = {};  // say which layers learn, and how
  std::string pointer = "/model";           // where the section stands in the config, for messages
};

// A trainable tensor: leaf of kind `parameter`. Names are "<layer>.weight", "<layer>.bias", "<layer>.scale";
// order is that of the layers. Both are the keys of the model artifact and of exports.
struct Parameter {
  std::string name;
  ValueId value = kNone;
  Initializer init;
  bool frozen = false;  // "freeze": no gradient is asked for
  bool decay = true;    // weights; false for biases and the scale of norms
  double lr_scale = 1;
  std::optional<double> weight_decay = {};  // in place of the optimiser's
  std::string layer;                        // name
  std::string lengths_of;                   // not empty: starts as the lengths of the rows of that parameter
  std::string origin;                       // JSON pointer of the layer
};

// A persistent tensor without a gradient: leaf of kind `state`, such as "<layer>.running_mean".
struct StateLeaf {
  std::string name;
  ValueId value = kNone;
  double fill = 0;         // initial value of every element
  bool optimizer = false;  // momentum and the like: belongs to the training state, not to the model
};

// What one layer became: a row of the --plan table.
struct LayerInfo {
  std::string name, type;
  ValueId output = kNone;
  int64_t parameters = 0;               // elements that are trained
  int64_t states = 0;                   // elements of running statistics
  int64_t multiply_adds = 0;            // per sample, of products with weights
  int64_t receptive_field[2] = {1, 1};  // (height, width) in pixels of the input; 0: the whole input
  bool frozen = false;
  std::string origin;
};

struct DL_API Model {
  Graph graph;  // its outputs are those the config names
  std::vector<Parameter> parameters;
  std::vector<StateLeaf> states;
  std::vector<LayerInfo> layers;
  Expanded expanded;  // for --print-config=full
  int64_t batch = 1;
  bool training = true;

  const Parameter* find_parameter(std::string_view name) const;  // null if there is none
};

// Whether `name` is a layer, a block that it is in ("stage_1" of "stage_1/conv2d_1"), or "*".
DL_API bool names_layer(std::string_view name, std::string_view layer);

// Errors: Exit::config with the JSON pointer of the offending key and the layer's name.
DL_API Model build_model(const json& section, const BuildOptions& options);

// By name, for all parameters and states, those of the optimiser included. Drawn by the rules of nn/init.h.
DL_API std::map<std::string, Tensor> initial_values(const Model& model, uint64_t seed, Pool* pool = nullptr);

// For the config section "model" of a tool. The schema knows every layer type; the check expands the section and reads the
// attributes of every layer, without data and so without shapes; expanded_model() writes it out (dump_expanded in
// nn/expand.h), with "$classes" left to the data set where no arithmetic needs it.
DL_API json model_schema();
DL_API void check_model(const json& section, const std::string& pointer);
DL_API json expanded_model(const json& section, const std::string& pointer);

}  // namespace dl
