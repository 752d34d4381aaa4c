#pragma once
// What may change between a run and its continuation: keys are free, noted or forbidden, never silently ignored.
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"

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

}  // namespace dl
