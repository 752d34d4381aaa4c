#pragma once
// What may change between a run and its continuation: keys are free, noted or forbidden, never silently ignored.
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"
#include "tensor/tensor.h"

namespace dl {

enum class ChangeClass { free, noted, forbidden };

struct ConfigChange {
  std::string pointer;  // "/train/batch_size"
  json before, after;   // null where absent
  ChangeClass allowed;
};

// Differences of the sections model, train and augment, leaf by leaf, in a fixed order.
DL_API std::vector<ConfigChange> compare_configs(const json& before, const json& after);

// Error (config) that lists the forbidden changes; otherwise one line for each noted change.
DL_API std::vector<std::string> check_resume(const json& before, const json& after);

// Puts tensors of the checkpoint at `path` into `store`. Error (data) for one that is not there, or of another type.
void adopt_tensors(const TensorMap& tensors, const std::string& path, TensorMap& store);

// What a run takes over from another model's tensors.
struct Taken {
  size_t count = 0;     // tensors
  std::string misfits;  // "missing: a; of another shape: none; not used: b"; empty when all fits
};
// Puts the tensors of `from` that have one of the names, and the type there, into `store`, which has all names.
DL_API Taken take_tensors(const TensorMap& from, const std::vector<std::string>& names, TensorMap& store);

}  // namespace dl
