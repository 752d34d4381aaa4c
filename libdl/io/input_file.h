#pragma once
// An input opened for random access: regular files in place, everything else copied to a nameless file first.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/export.h"

namespace dl {

class DL_API InputFile {
 public:
  // "-" is stdin. A stream that does not begin with `signature` is not copied any further than needed to see
  // that: bytes() is then what was read. Errors: Exit::data (missing, unreadable, a folder), Exit::io (no
  // room to copy).
  explicit InputFile(const std::string& path, std::string_view signature = {}, const std::string& tmp = {});
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& name() const { return name_; }  // the path, or "<stdin>"
  int fd() const { return fd_; }
  int64_t bytes() const { return bytes_; }
  // Up to `count` bytes at `offset`.
  std::string peek(int64_t offset, int64_t count) const;

 private:
  void spool(int source, std::string_view signature, const std::string& tmp);
  std::string name_;
  int fd_ = -1;
  int64_t bytes_ = 0;
};

}  // namespace dl
