#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "configs.h"

static const std::string kFolder = DL_SOURCE_DIR "/configs/models/";

dl::json shipped_model(const std::string& name) {
  std::ifstream in(kFolder + name);
  std::stringstream text;
  text << in.rdbuf();
  dl::json own = dl::json::parse(text.str(), nullptr, true, true);
  if (!own.contains("extends")) return own;
  dl::json base = shipped_model(own["extends"][0].get<std::string>());
  own.erase("extends");
  base.merge_patch(own);
  return base;
}

std::vector<std::string> shipped_models() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}
