#pragma once
#include <string>
#include <vector>

#include "base/json.h"

// configs/models/<name>, with its "extends" (objects merged, base first).
dl::json shipped_model(const std::string& name);
std::vector<std::string> shipped_models();  // their names, sorted
