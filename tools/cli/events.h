#pragma once
// The event stream: JSON lines for programs. Fields are only ever added.
#include <string>

#include "base/json.h"

namespace dl::cli {

class Events {
 public:
  Events() = default;
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events();

  // A path (appended to) or "fd:N". Throws Error(Exit::io, or usage for a bad descriptor).
  void open(const std::string& target, double started);
  bool enabled() const { return fd_ >= 0; }
  // {"dl":1,"event":NAME,"time":seconds since start, ...fields}: one line, one write. A stream whose reader
  // went away is closed; the run goes on.
  void emit(const std::string& event, const json& fields = json::object());

 private:
  int fd_ = -1;
  double started_ = 0;
};

// `record` with every number that is not finite replaced by null and listed: "nonfinite": {"loss": "nan"}.
json finite_record(const json& record);

}  // namespace dl::cli
