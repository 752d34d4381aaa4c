#pragma once
// A small data set, a small network, and runs of it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/random.h"
#include "train/trainer.h"

namespace dl::testing {

namespace fs = std::filesystem;

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("dl_train_test_" + std::to_string(::getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string at(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

// Two classes, split by a circle: 4 features, only two matter.
inline std::string make_data(const Folder& folder, const std::string& name = "data.h5", uint64_t seed = 3) {
  Schema schema;
  schema.inputs.push_back({"x", Role::features, {DType::f32, {4}}, {}});
  schema.targets.push_back({"y", TargetKind::class_index, {DType::i32, {}}, {"in", "out"}});
  const std::vector<std::string> splits{"train", "valid"};
  DatasetWriter w(folder.at(name), schema, splits);
  Random r(seed, stream_id("test data"));
  for (const auto& [split, rows] : {std::pair<std::string, int>{"train", 205}, {"valid", 50}})
    for (int i = 0; i < rows; ++i) {
      float x[4];
      for (float& v : x) v = static_cast<float>(r.normal());
      const int32_t y = x[0] * x[0] + x[1] * x[1] > 1.4f;
      const void* columns[] = {x, &y};
      w.append(split, columns, {}, 1);
    }
  w.finish();
  return folder.at(name);
}

inline json config(int epochs = 3) {
  json j = json::parse(R"({
    "model": {"layers": [{"type": "dense", "units": 16}, "tanh", {"type": "dense", "units": "$classes"}]},
    "train": {"batch_size": 16, "loss": "cross_entropy", "optimizer": {"type": "adam", "lr": 0.02}, "metrics": ["accuracy"],
              "save": {"every": "5 steps"}}})");
  j["train"]["epochs"] = epochs;
  return j;
}

inline TrainRequest request(const Folder& folder, const json& config, const std::string& data) {
  TrainRequest r;
  r.config = config;
  r.data = data;
  r.state_dir = folder.at("state");
  return r;
}

inline bool same_bytes(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, t] : a) {
    const auto it = b.find(name);
    if (it == b.end() || it->second.type() != t.type() ||
        std::memcmp(t.raw(), it->second.raw(), size_t(t.bytes())))
      return false;
  }
  return true;
}

inline TrainResult run(TrainRequest r, TrainHooks hooks = {}) {
  return Trainer(std::move(r), std::move(hooks)).run();
}

}  // namespace dl::testing
