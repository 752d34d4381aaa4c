#pragma once
// What is said of an artifact that cannot be read.
#include <doctest/doctest.h>

#include <string>

#include "base/error.h"
#include "io/artifact.h"

namespace dl {

// Opens the artifact at `path` and reads all of it: "" when that works, else the message of the data error.
inline std::string failure(const std::string& path, const char* kind = "dataset") {
  try {
    ArtifactReader r(path, kind);
    for (const std::string& name : r.data_sets("/")) r.read(name);
    return "";
  } catch (const Error& e) {
    CHECK(e.code == Exit::data);
    return e.what();
  }
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace dl
