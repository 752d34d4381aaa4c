#pragma once
// The one exception type of the library and the one list of exit codes of the tools.
#include <stdexcept>
#include <string>

#include "base/export.h"

namespace dl {

// What a tool returns to the shell. An Error carries the code of its category.
enum class Exit : int {
  ok = 0,
  internal = 1,  // a bug of ours
  usage = 2,     // unknown flag, missing argument
  config = 3,    // JSON syntax, unknown key, wrong type or range, shapes that do not fit, resume conflict
  data = 4,      // missing, truncated, wrong kind, bad records over the limit, empty input
  io = 5,        // cannot write, disk full, output exists and is not ours
  device = 6,    // device or build feature absent
  memory = 7,    // host or device memory
  numeric = 8,   // diverged; an export or determinism check failed
  partial = 9,   // --keep-going finished with failures
  gate = 10,     // a --gate or --baseline condition is false, everything else worked
  interrupted = 130,
  terminated = 143,
  broken_pipe = 141,  // the reader went away; no message
};

// A user's mistake or a failure of the outside world. `what()` is "<where>: <what is wrong>, <what was expected>".
// `pointer` is a JSON pointer into the resolved config ("/model/layers/3/units"), empty when the error is not about
// the config; the tools turn it into file:line:column (of the key itself when `about_key`). `at` is such a place
// already found, as for a syntax error. `hint` is an optional further line.
class DL_API Error : public std::runtime_error {
 public:
  Error(Exit code, const std::string& message) : std::runtime_error(message), code(code) {}
  Error(Exit code, std::string pointer, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code(code), pointer(std::move(pointer)), hint(std::move(hint)) {}
  Exit code;
  std::string pointer;
  std::string hint;
  std::string at;
  bool about_key = false;
};

}  // namespace dl
