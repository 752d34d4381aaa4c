#pragma once
// The JSON value type of the project: object keys keep the order in which they were written.
// Reading files with positions, comments and overrides is base/config.h.
#include <nlohmann/json.hpp>

namespace dl {

using json = nlohmann::ordered_json;

}  // namespace dl
