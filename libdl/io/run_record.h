#pragma once
// OUT.run.json: what varies between two runs that write the same artifact. Nothing reads it but people.
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"

namespace dl {

struct RunRecord {
  std::vector<std::string> argv;
  std::string version;         // of the tool
  double started = 0;          // seconds since 1970
  double seconds = 0;          // wall time
  json more = json::object();  // further keys (device, threads, warnings)
};

// Writes <output>.run.json with host and user added; nothing when the output is "-" or no regular file.
DL_API void write_run_record(const std::string& output, const RunRecord& record);

}  // namespace dl
