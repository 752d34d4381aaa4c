#include "cli/depfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/str.h"
#include "cli/log.h"

namespace dl::cli {
namespace {

std::string make_name(const std::string& path) {
  std::string out;
  for (char c : path) {
    if (c == ' ' || c == '#' || c == '%') out += '\\';
    if (c == '$') out += '$';
    out += c;
  }
  return out;
}

}  // namespace

void write_depfile(const std::string& path, const std::string& target, std::span<const std::string> files) {
  std::vector<std::string> names;
  for (const std::string& f : files) {
    struct stat s {};
    if (f == "-" || ::stat(f.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) continue;
    const std::string name = make_name(f);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::string text = make_name(target) + ':';
  for (const std::string& n : names) text += " \\\n  " + n;
  text += '\n';
  for (const std::string& n : names) text += str('\n', n, ":\n");
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const bool written = fd >= 0 && write_all(fd, text);
  const int code = errno;
  if (fd >= 0) ::close(fd);
  if (!written)
    throw Error(Exit::io, str("cannot write the dependency file '", path, "': ", std::strerror(code)));
}

}  // namespace dl::cli
