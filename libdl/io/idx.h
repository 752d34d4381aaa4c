#pragma once
// IDX, the format of MNIST: big-endian header (two zero bytes, type, rank, extents), then the values row by
// row.
#include <string>

#include "base/export.h"
#include "io/byte_reader.h"
#include "tensor/tensor.h"

namespace dl {

// Rows are read in order, a block at a time. i8 and i16 widen to i32; the other types keep theirs.
class DL_API IdxReader {
 public:
  // Error (data): not IDX, an extent of zero, or a row above 256 MiB.
  explicit IdxReader(const std::string& path, const std::string& tmp_dir = {});
  int64_t rows() const { return rows_; }
  const Shape& row_shape() const {
    return row_shape_;
  }  // without the leading extent; rank 0 for a file of labels
  DType dtype() const { return dtype_; }
  const std::string& path() const { return in_.path(); }

  // Up to `count` rows into dst (count * row elements of dtype()); 0 at the end.
  // Error (data): the file is shorter or longer than its header says.
  int64_t read(int64_t count, void* dst);
  void rewind();

 private:
  ByteReader in_;
  int64_t rows_ = 0, at_ = 0, header_bytes_ = 0;
  int file_bytes_ = 1;  // of one value in the file
  Shape row_shape_;
  DType dtype_ = DType::u8;
};

}  // namespace dl
