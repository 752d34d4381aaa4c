#pragma once
// Model artifacts (kind "model"): parameters by name with the config that made them; and training states
// (kind "state"), which add the optimiser's tensors and the counters that an exact resume needs.
//
//   /parameters/<name>   parameter values; a '/' in a name makes groups
//   /state/<name>        kind "state": optimiser state, running averages
//   /best/<name>         kind "state": parameters of the best epoch, when there is one
//   /history             the epochs of the run, as JSON text in bytes; absent when there were none
//   /preparation         how the rows of the data set were made, see data/dataset.h
//   attribute schema     the data set's schema (JSON): inputs, targets, class names, normalisation
//   attributes counters (JSON), serial   kind "state"
#include <map>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"
#include "io/artifact.h"
#include "tensor/tensor.h"

namespace dl {

struct Parent {
  std::string kind, content_hash;
};

using TensorMap = std::map<std::string, Tensor>;

struct DL_API ModelFile {
  json config = json::object();       // resolved config of the run
  json data_schema = json::object();  // as stored in the data set
  json preparation;                   // as stored in the data set (io/stored_json.h); null: none
  TensorMap parameters;
  // One object for each epoch of the run that made it, without times: {"epoch": 1, "step": 469, "lr": 0.05, "train.loss":
  // 0.31, "valid.loss": 0.12, "valid.accuracy": 0.96}. A metric that is not finite is null.
  json history = json::array();
  std::vector<Parent> parents;  // the data set(s), a model it started from
  std::string recipe_hash;
  std::string content_hash;  // set by load and save

  void save(const std::string& path, const OutputOptions& options = {});
  static ModelFile load(const std::string& path, const std::string& tmp = {});
};

struct DL_API StateFile {
  ModelFile model;                 // current weights
  TensorMap state;                 // optimiser state and buffers by name
  TensorMap best;                  // parameters at the best epoch so far; may be empty
  int64_t serial = 0;              // set by StateStore: counts the checkpoints of a run
  json counters = json::object();  // step, epoch, batch, schedule, best metrics: whatever the run needs

  void save(const std::string& path, const OutputOptions& options = {});
  static StateFile load(const std::string& path);
};

}  // namespace dl
