#pragma once
// What the fuzz targets share. A target is `extern "C" int LLVMFuzzerTestOneInput(data, size)`: any bytes must give a
// result or an Error of one of the user's categories, never a crash, a hang or memory without bound.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace dl {

// Runs fn; an Error that does not blame the input goes on, and ends the fuzzer.
template <class Fn>
int expect_user_error(Fn fn) {
  try {
    fn();
  } catch (const Error& e) {
    if (e.code == Exit::internal) throw;
  }
  return 0;
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The bytes as a regular file with a path.
class FuzzFile {
 public:
  FuzzFile(const uint8_t* data, size_t size) : fd_(memfd_create("fuzz", 0)) {
    if (write(fd_, data, size) != static_cast<ssize_t>(size))
      throw Error(Exit::internal, "memfd: short write");
    lseek(fd_, 0, SEEK_SET);
  }
  ~FuzzFile() { close(fd_); }
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace dl
