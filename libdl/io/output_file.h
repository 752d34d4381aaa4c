#pragma once
// A file that appears whole or not at all: its bytes go to a nameless file in the target's folder, and
// publish() syncs and renames it over the target. "-" and targets that are no regular files get all the bytes
// from publish().
#include <cstdint>
#include <string>
#include <string_view>

#include "base/export.h"

namespace dl {

class DL_API OutputFile {
 public:
  // `tmp` is the folder for what goes to a stream; empty: $TMPDIR, else /tmp. Errors: Exit::io.
  explicit OutputFile(const std::string& path, const std::string& tmp = {});
  ~OutputFile();  // unpublished: leaves nothing behind
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& name() const { return name_; }  // for messages: the path, or "<stdout>"
  int fd() const { return fd_; }
  void write(std::string_view bytes);  // appends
  // Error: Exit::io, or Exit::broken_pipe when the reader of a stream is gone. Nothing is sent or renamed on
  // failure of an earlier step.
  void publish();
  int64_t free_bytes() const;  // of the file system that holds the bytes

 private:
  void open_beside();
  void send();
  std::string path_, name_, folder_, base_, temporary_;
  int fd_ = -1;
  bool stream_ = false;
};

// Whole text files (metrics, reports) through OutputFile.
DL_API void write_text(const std::string& path, std::string_view text);

// A nameless file in `tmp` (empty: $TMPDIR, else /tmp), open for reading and writing. Error: Exit::io.
int open_spool(const std::string& tmp);
// write(2) until done; false with errno set on failure.
DL_API bool write_all(int fd, const void* data, size_t bytes);
// pread(2) until done; false at the end of the file or on failure.
bool read_all(int fd, void* out, int64_t bytes, int64_t offset);
// Text of errno, without the thread-unsafety of strerror.
std::string errno_text(int error);

}  // namespace dl
