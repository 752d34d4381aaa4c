#pragma once
// Results on standard output in the form that --format asks for.
#include <string>

#include "base/json.h"

namespace dl::cli {

// Ends with a newline. "human" is the text itself; "csv" has one row, or one for each element of an array.
std::string formatted(const json& record, const std::string& human, const std::string& format);

}  // namespace dl::cli
