#pragma once
// What a data set holds: inputs and targets by name. Stored as JSON in the data set and in every model
// trained on it:
//   {"inputs":  {"image": {"role": "image", "dtype": "u8", "shape": [1, 28, 28]}},
//    "targets": {"label": {"kind": "class", "dtype": "i32", "shape": [], "classes": ["0", "1"]}},
//    "groups": {"sex": ["Female", "Male"]},
//    "normalization": {"image": {"mean": [33.3], "std": [78.6]}}}
#include <map>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"
#include "tensor/tensor.h"

namespace dl {

enum class Role { image, features };
constexpr auto enum_names(const Role*) { return std::to_array<std::string_view>({"image", "features"}); }

struct Input {
  std::string name;
  Role role = Role::features;
  TensorType type;                   // of one sample: image u8|f32 (C,H,W), features f32 (F)
  std::vector<std::string> columns;  // features: their names, one-hot columns as "colour=red"; may be empty
};

enum class TargetKind { class_index, regression, class_probabilities };
constexpr auto enum_names(const TargetKind*) {
  return std::to_array<std::string_view>({"class", "regression", "class_probabilities"});
}

struct Target {
  std::string name;
  TargetKind kind = TargetKind::class_index;
  TensorType
      type;  // of one sample: class i32 (), regression f32 () or (K), class_probabilities f32 (classes)
  std::vector<std::string> classes;  // names; their number is the number of classes
};

// A column that describes rows and is not fed to the network: results are told apart by it.
struct Group {
  std::string name;
  std::vector<std::string> values;  // stored as i32 numbers of these
};

// x -> (x - mean) / std, one pair for each channel of an image or each feature; fitted on the training part.
struct Normalization {
  std::vector<float> mean, std;
};

struct DL_API Schema {
  std::vector<Input> inputs;
  std::vector<Target> targets;
  std::map<std::string, Normalization> normalization;  // by input
  std::vector<Group> groups = {};

  const Input* input(std::string_view name) const;  // null when there is none
  const Target* target(std::string_view name) const;
  const Group* group(std::string_view name) const;
  size_t columns() const { return inputs.size() + targets.size() + groups.size(); }
  const TensorType& column_type(size_t i) const;  // inputs first, then targets, then groups
  const std::string& column_name(size_t i) const;

  json dump() const;
  // `where` names the file in messages (Exit::data).
  static Schema parse(const json& j, const std::string& where);
};

// Whether a target holds probabilities of classes in the place of a label.
DL_API bool has_soft_targets(const Schema& schema);

}  // namespace dl
