#pragma once
// A file's bytes in order, decompressed on the way: plain, gzip (several members are one stream) and xz, told
// apart by their first bytes, not by their names. Memory is constant whatever the file expands to.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/export.h"

namespace dl {

class DL_API ByteReader {
 public:
  // "-" is standard input: it is copied to an unlinked file under `tmp_dir` first, so that rewind() works.
  // Error (data): the file is missing or cannot be read.
  explicit ByteReader(const std::string& path, const std::string& tmp_dir = {});
  ~ByteReader();
  ByteReader(ByteReader&&) noexcept;
  ByteReader& operator=(ByteReader&&) = delete;

  // Up to `bytes` bytes into dst; fewer only at the end of the data. Error (data): truncated or damaged
  // compression.
  size_t read(void* dst, size_t bytes);
  // Exactly `bytes` bytes. Error (data): "<path>: ends after 12 bytes, expected <what>".
  void read_exact(void* dst, size_t bytes, const std::string& what);
  bool at_end();  // true when no byte is left
  void rewind();
  int64_t position() const { return position_; }     // decompressed bytes handed out
  const std::string& path() const { return path_; }  // "<stdin>" for "-"

 private:
  struct Decoder;
  size_t refill();

  std::string path_;
  int fd_ = -1;
  int64_t position_ = 0;
  std::vector<uint8_t> ready_;  // decompressed, not yet handed out: [begin_, end_)
  size_t begin_ = 0, end_ = 0;
  std::unique_ptr<Decoder> decoder_;
};

// The whole file, decompressed. Error (data) above `limit` bytes.
DL_API std::vector<uint8_t> read_file(const std::string& path, int64_t limit);

}  // namespace dl
