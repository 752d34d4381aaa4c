#include "cli/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/str.h"

namespace dl::cli {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void write_stdout(std::string_view text) {
  if (write_all(STDOUT_FILENO, text)) return;
  if (errno == EPIPE) throw Error(Exit::broken_pipe, "the reader of standard output went away");
  throw Error(Exit::io, str("cannot write to standard output: ", std::strerror(errno)));
}

Log::~Log() {
  if (file_ >= 0) ::close(file_);
}

void Log::open_file(const std::string& path) {
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0) throw Error(Exit::io, str("cannot write the log file '", path, "': ", std::strerror(errno)));
}

void Log::line(Level at, std::string_view prefix, const std::string& text) {
  if (at > level && (file_ < 0 || at > Level::verbose)) return;
  size_t from = 0;
  while (from <= text.size()) {
    const size_t end = std::min(text.find('\n', from), text.size());
    std::string out = str(tool, ": ", from ? "" : prefix, text.substr(from, end - from), '\n');
    if (file_ >= 0 && at <= Level::verbose) write_all(file_, out);
    if (at <= level) {
      const char* paint = at == Level::error ? "\x1b[31m" : "\x1b[33m";
      if (color && !from && !prefix.empty())
        out = str(tool, ": ", paint, prefix, "\x1b[0m", text.substr(from, end - from), '\n');
      if (!bar_.empty()) out = str("\r\x1b[K", out, bar_);
      write_all(STDERR_FILENO, out);
    }
    from = end + 1;
  }
}

void Log::error(const std::string& text) { line(Level::error, "error: ", text); }
void Log::plain_error(const std::string& text) { line(Level::error, "", text); }
void Log::warning(const std::string& text) { line(Level::warning, "warning: ", text); }
void Log::info(const std::string& text) { line(Level::info, "", text); }
void Log::verbose(const std::string& text) { line(Level::verbose, "", text); }
void Log::debug(const std::string& text) { line(Level::debug, "", text); }

void Log::bar(std::string_view text) {
  bar_ = text;
  write_all(STDERR_FILENO, str("\r\x1b[K", text));
}

}  // namespace dl::cli
