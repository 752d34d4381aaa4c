#pragma once
// Results as text for people.
#include <string>
#include <vector>

#include "base/export.h"

namespace dl {

// Four decimals, whole numbers in full, "-" for what is undefined.
DL_API std::string metric_text(double v);
// Cells by row; the first column to the left, the others to the right.
DL_API std::string text_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace dl
