#pragma once
// What a trainer's event stream says about a trial.
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace dl {

// The member of `record` under a dotted name: {"valid.accuracy": 1} and {"valid": {"accuracy": 1}}; null when absent.
DL_API const json* at_path(const json& record, std::string_view name);

// Reads events (JSON lines) as they come. The objective is looked for in each event and its "metrics" as that key, as a
// path, and as "accuracy" in an event whose "split" is "valid" for "valid.accuracy".
class DL_API EventReader {
 public:
  explicit EventReader(std::string objective) : objective_(std::move(objective)) {}
  // Takes what was added to a file since the last call; a file that is not there yet has nothing. A last line without
  // its end waits for the next call.
  void read(const std::string& path);
  void take(std::string_view text);

  bool started() const { return started_; }
  // By epoch; values that are not finite are left out.
  const std::map<int64_t, double>& curve() const { return curve_; }
  // Of "run_end", else the last one; nullopt when it never came or is not finite.
  std::optional<double> objective() const;
  // Of the event the objective came from, with "parameters" of "run_start".
  json metrics() const;

 private:
  void event(const json& e);
  std::string objective_, rest_;
  int64_t offset_ = 0;
  bool started_ = false, ended_ = false;
  std::map<int64_t, double> curve_;
  std::optional<double> last_;
  json metrics_ = json::object(), start_ = json::object();
};

}  // namespace dl
