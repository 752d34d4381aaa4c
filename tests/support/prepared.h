#pragma once
// Runs a preparation and keeps everything that comes out.
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/str.h"
#include "data/prepare.h"
#include "support/files.h"

namespace dl::testing {

struct Prepared {
  Schema schema;
  std::string type;
  std::vector<std::string> parts;
  std::map<std::string, std::string> bytes;          // of the first input, by part
  std::map<std::string, std::vector<float>> values;  // the same, when they are f32
  std::map<std::string, std::vector<int32_t>> labels;
  std::map<std::string, std::vector<float>> targets;
  std::map<std::string, std::vector<std::string>> ids;
  json statistics;
  int64_t bad = 0;
};

inline Prepared prepare(const json& section, const PrepareInputs& inputs, uint64_t seed = 0) {
  PrepConfig config;
  parse_fields(config, section.is_null() ? json::object() : section, "/prep");
  PrepareOptions options;
  options.seed = seed;
  Preparation preparation(config, inputs, options);
  Prepared p;
  p.type = preparation.type();
  p.parts = preparation.parts();
  const Schema& schema = preparation.schema();
  preparation.run([&](const std::string& part, std::span<const void* const> columns,
                      std::span<const std::string> ids, int64_t n) {
    const auto* x = static_cast<const char*>(columns[0]);
    p.bytes[part].append(x, static_cast<size_t>(n * schema.inputs[0].type.bytes()));
    if (schema.inputs[0].type.dtype == DType::f32) {
      const auto* f = static_cast<const float*>(columns[0]);
      p.values[part].insert(p.values[part].end(), f, f + n * schema.inputs[0].type.elements());
    }
    if (schema.targets[0].kind == TargetKind::class_index) {
      const auto* l = static_cast<const int32_t*>(columns[1]);
      p.labels[part].insert(p.labels[part].end(), l, l + n);
    } else {
      const auto* t = static_cast<const float*>(columns[1]);
      p.targets[part].insert(p.targets[part].end(), t, t + n);
    }
    p.ids[part].insert(p.ids[part].end(), ids.begin(), ids.end());
  });
  p.schema = preparation.fitted_schema();
  p.statistics = preparation.statistics().record();
  p.bad = preparation.bad_records();
  return p;
}

// The message of a preparation that must fail with `expected`.
inline std::string prepare_error(const json& section, const PrepareInputs& inputs,
                                 Exit expected = Exit::data) {
  Exit code = Exit::ok;
  const std::string message = error_of([&] { prepare(section, inputs); }, &code);
  return code == expected ? message : str("exit ", static_cast<int>(code), ": ", message);
}

}  // namespace dl::testing
