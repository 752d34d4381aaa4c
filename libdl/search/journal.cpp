#include "search/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/json_text.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr std::string_view kHead = "{\"crc\":\"";  // then eight hex digits and "\","
constexpr size_t kPrefix = kHead.size() + 8 + 2;

std::string checksum(std::string_view text) {
  char hex[9];
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size()));
  std::snprintf(hex, sizeof hex, "%08lx", crc);
  return hex;
}

std::string line_of(const json& record) {
  const std::string body =
      record.dump(-1, ' ', false, json::error_handler_t::replace).substr(1);  // without '{'
  return str(kHead, checksum(body), "\",", body, '\n');
}

bool whole(std::string_view line) {
  return line.size() > kPrefix && line.starts_with(kHead) &&
         checksum(line.substr(kPrefix)) == line.substr(kHead.size(), 8);
}

struct Lock {
  int fd;
  Lock(int fd, const std::string& path) : fd(fd) {
    while (::flock(fd, LOCK_EX) != 0)
      if (errno != EINTR) throw Error(Exit::io, str(path, ": cannot lock: ", std::strerror(errno)));
  }
  ~Lock() { ::flock(fd, LOCK_UN); }
};

}  // namespace

Journal::Journal(const std::string& path, bool create) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | (create ? O_CREAT : 0), 0666);
  if (fd_ < 0)
    throw Error(create ? Exit::io : Exit::data,
                str("cannot open the study '", path, "': ", std::strerror(errno)));
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

void Journal::read_new(const std::function<void(const json&)>& read) {
  struct stat s {};
  if (::fstat(fd_, &s) != 0 || !S_ISREG(s.st_mode))
    throw Error(Exit::data, path_ + ": not a regular file, expected a study");
  std::string text(static_cast<size_t>(std::max<int64_t>(s.st_size - offset_, 0)), '\0');
  size_t have = 0;
  while (have < text.size()) {
    const ssize_t n =
        ::pread(fd_, text.data() + have, text.size() - have, offset_ + static_cast<int64_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Error(Exit::data, str(path_, ": cannot read: ", std::strerror(n < 0 ? errno : EIO)));
    have += static_cast<size_t>(n);
  }
  size_t from = 0;
  while (from < text.size()) {
    const size_t end = text.find('\n', from);
    const std::string_view line =
        std::string_view(text).substr(from, end == std::string::npos ? std::string::npos : end - from);
    const bool last = end == std::string::npos || end + 1 == text.size();
    if (end == std::string::npos || !whole(line)) {
      if (!last || (offset_ == 0 && !line.starts_with(kHead.substr(0, line.size()))))
        throw Error(Exit::data, str(path_, ':', line_ + 1,
                                    line_ ? ": damaged record, its checksum does not fit" : ": not a study"));
      if (::ftruncate(fd_, offset_) != 0)
        throw Error(Exit::io, str(path_, ": cannot repair: ", std::strerror(errno)));
      repaired_ = true;
      return;
    }
    ++line_;
    json record = parse_json(line, str(path_, " record ", line_)).value;
    record.erase("crc");
    read(record);
    from = end + 1;
    offset_ += static_cast<int64_t>(line.size()) + 1;
  }
}

void Journal::transaction(const std::function<void(const json&)>& read,
                          const std::function<std::vector<json>()>& change) {
  const Lock lock(fd_, path_);
  read_new(read);
  for (const json& record : change()) {
    const std::string line = line_of(record);
    const ssize_t n = ::write(fd_, line.data(), line.size());
    if (n != static_cast<ssize_t>(line.size()) || ::fdatasync(fd_) != 0) {
      const int code = n < 0 || n == static_cast<ssize_t>(line.size()) ? errno : ENOSPC;
      if (::ftruncate(fd_, offset_) != 0)
        throw Error(Exit::io, str(path_, ": cannot write nor repair: ", std::strerror(code)));
      throw Error(Exit::io, str(path_, ": cannot write: ", std::strerror(code)));
    }
    offset_ += n;
    ++line_;
    read(record);
  }
}

}  // namespace dl
