#pragma once
// Records that cannot be used: each is named, a few may be passed over when the user says so.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"

namespace dl {

// How many bad records are let pass: a count, or a share of all records.
struct BadLimit {
  int64_t count = 0;
  double share = -1;  // in [0, 1]; negative: the count holds
};
// 3, "3" or "0.5%". Error (config) with the pointer otherwise.
DL_API BadLimit parse_bad_limit(const json& j, const std::string& pointer);

class DL_API BadRecords {
 public:
  explicit BadRecords(BadLimit limit = {}) : limit_(limit) {}
  // A source may be read more than once; only what the last pass finds is reported to `on_bad`.
  void begin_pass(bool last) { count_ = 0, last_ = last, kept_.clear(); }
  // `message` names file, record and fault. Error (data) once there are more than the limit.
  void add(const std::string& message);
  // To be called after a pass. Error (data): more than the share that may be bad, or no good record at all.
  void finish(int64_t good, const std::string& what) const;
  int64_t count() const { return count_; }
  const std::vector<std::string>& messages() const { return kept_; }  // the first hundred
  std::function<void(const std::string&)> on_bad;

 private:
  BadLimit limit_;
  int64_t count_ = 0;
  bool last_ = true;
  std::vector<std::string> kept_;
};

}  // namespace dl
