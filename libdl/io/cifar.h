#pragma once
// The binary versions of CIFAR-10 and CIFAR-100: records of one or two label bytes and 3072 bytes of 32x32
// red, green and blue planes, nothing before or after.
#include <string>

#include "base/export.h"
#include "io/byte_reader.h"

namespace dl {

class DL_API CifarReader {
 public:
  static constexpr int64_t kPixels = 3 * 32 * 32;

  // label_bytes: 1 (CIFAR-10) or 2 (CIFAR-100: coarse, then fine).
  CifarReader(const std::string& path, int label_bytes, const std::string& tmp_dir = {})
      : in_(path, tmp_dir), label_bytes_(label_bytes) {}
  const std::string& path() const { return in_.path(); }
  // One record; false at the end. Error (data): the file is empty or ends inside a record.
  bool next(uint8_t* labels, uint8_t* pixels);
  void rewind() { in_.rewind(), at_ = 0; }

 private:
  ByteReader in_;
  int label_bytes_;
  int64_t at_ = 0;
};

}  // namespace dl
