#include "cli/events.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/log.h"

namespace dl::cli {
namespace {

void make_finite(json& value, const std::string& path, json& found) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    found[path] = number(value.get<double>());
    value = nullptr;
  } else if (value.is_object()) {
    for (auto& item : value.items())
      make_finite(item.value(), path.empty() ? item.key() : path + '.' + item.key(), found);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) make_finite(value[i], str(path, '[', i, ']'), found);
  }
}

}  // namespace

json finite_record(const json& record) {
  json out = record, found = json::object();
  make_finite(out, "", found);
  if (!found.empty() && out.is_object()) out["nonfinite"] = found;
  return out;
}

Events::~Events() {
  if (fd_ > STDERR_FILENO) ::close(fd_);
}

void Events::open(const std::string& target, double started) {
  started_ = started;
  if (target.starts_with("fd:")) {
    int n = -1;
    const char* end = target.data() + target.size();
    const auto [p, error] = std::from_chars(target.data() + 3, end, n);
    if (error != std::errc() || p != end || n < 0 || ::fcntl(n, F_GETFD) < 0)
      throw Error(Exit::usage,
                  str("--events ", target,
                      ": not an open file descriptor, expected one as in 'fd:3 3>events.jsonl'"));
    fd_ = n;
    return;
  }
  fd_ = ::open(target.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) throw Error(Exit::io, str("cannot write events to '", target, "': ", std::strerror(errno)));
}

void Events::emit(const std::string& event, const json& fields) {
  if (fd_ < 0) return;
  json line{{"dl", 1}, {"event", event}, {"time", std::round((steady_seconds() - started_) * 1e6) / 1e6}};
  line.update(finite_record(fields));
  if (!write_all(fd_, line.dump(-1, ' ', false, json::error_handler_t::replace) + '\n')) {
    if (fd_ > STDERR_FILENO) ::close(fd_);
    fd_ = -1;
  }
}

}  // namespace dl::cli
