#pragma once
// A study as one HTML page: history, importance, parallel coordinates, slices, curves, table (base/html.h).
#include <string>

#include "search/study.h"

namespace dl {

DL_API std::string study_report(const Study& study, const std::string& name);

}  // namespace dl
