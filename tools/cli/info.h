#pragma once
#include <string>

#include "base/json.h"

namespace dl::cli {

// What an artifact says about itself: kind, format, hashes, parents, config, and its data sets with their
// types.
json artifact_record(const std::string& path, const std::string& tmp);
std::string artifact_text(const json& record);

}  // namespace dl::cli
