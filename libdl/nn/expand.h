#pragma once
// Blocks, parameters, repetition and arithmetic of the model section are resolved here, on JSON alone: the
// result is a plain list of layers, each with evaluated attributes and the names of its inputs. No operator
// is known yet.
//
// Names: a layer is called by "name", else by type and position ("conv2d_1"); layers inside a block carry the
// block's name in front ("stage_2.bottleneck_1.residual.conv2d_1"); a repeated one with a name is numbered
// ("encoder_1"). A name in "inputs" is looked up where it was written, then outwards; a leading "." means
// from the model itself.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"

namespace dl {

struct UseSite {
  std::string block;    // "bottleneck"
  std::string pointer;  // of the layer that uses it
};

// A value and the JSON pointer of where it was written.
struct Placed {
  json value;
  std::string pointer;
};

struct ExpandedLayer {
  std::string name;  // unique
  std::string type;
  json attributes;  // evaluated; without type, name, inputs, if, repeat and those of `common`
  std::map<std::string, Placed>
      common;  // freeze, lr_scale, init, bias_init: of the layer, else of the nearest use around it
  std::vector<std::string> inputs;  // names of model inputs and of earlier layers
  std::string pointer;              // JSON pointer of the layer as written, in a block or in the model
  std::shared_ptr<const std::vector<UseSite>> uses;  // outermost first; never null
};

struct ExpandedInput {
  std::string name;
  json shape;  // as written, evaluated: [1, 28, 28], null, or {"shape": ..., "dtype": ...}
  std::string pointer;
};

struct ExpandedOutput {
  std::string name, layer, pointer;
};

struct Expanded {
  std::string name;
  std::vector<ExpandedInput> inputs;
  std::vector<ExpandedLayer> layers;
  std::vector<ExpandedOutput> outputs;  // at least one
};

// `given` holds what the data set knows ({"classes": 10}), usable as "$classes" unless the model's parameters
// set it. `input_names` are the data set's, used when the model declares no inputs. Errors: Exit::config.
DL_API Expanded expand_model(const json& section, const json& given = json::object(),
                             const std::vector<std::string>& input_names = {},
                             const std::string& pointer = "/model");

// The same model written out: no blocks, no parameters, every layer with its name, its inputs and, under
// "x-from", the place it was written at and the blocks it came through. Expanding it again gives the same
// layers.
DL_API json dump_expanded(const Expanded& model);

// " (block 'bottleneck' used at /model/layers/3, ...)": for messages; empty outside blocks.
DL_API std::string describe_uses(const ExpandedLayer& layer);

}  // namespace dl
