#include "io/idx.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/str.h"

namespace dl {

namespace {

constexpr int64_t kMaxRowBytes = int64_t{256} << 20;

template <int N>
uint64_t big_endian(const uint8_t* p) {
  uint64_t v = 0;
  for (int i = 0; i < N; ++i) v = v << 8 | p[i];
  return v;
}

// Values of N bytes at `src`, converted into dst; src may be dst when the sizes agree.
template <int N, class To, class From>
void convert(const uint8_t* src, void* dst, int64_t count) {
  auto* out = static_cast<To*>(dst);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = big_endian<N>(src + i * N);
    From v;
    if constexpr (N == 1)
      v = static_cast<From>(bits);
    else if constexpr (N == 2)
      v = static_cast<From>(static_cast<uint16_t>(bits));
    else if constexpr (N == 4) {
      const auto b = static_cast<uint32_t>(bits);
      std::memcpy(&v, &b, 4);
    } else
      std::memcpy(&v, &bits, 8);
    const To t = static_cast<To>(v);
    std::memcpy(out + i, &t, sizeof t);
  }
}

}  // namespace

IdxReader::IdxReader(const std::string& path, const std::string& tmp_dir) : in_(path, tmp_dir) {
  uint8_t head[4];
  in_.read_exact(head, 4, "an IDX header");
  if (head[0] != 0 || head[1] != 0 || head[3] == 0)
    throw Error(Exit::data,
                str(in_.path(), ": is not an IDX file, expected two zero bytes, a type and a rank"));
  switch (head[2]) {
    case 0x08:
      dtype_ = DType::u8, file_bytes_ = 1;
      break;
    case 0x09:
      dtype_ = DType::i32, file_bytes_ = 1;
      break;
    case 0x0B:
      dtype_ = DType::i32, file_bytes_ = 2;
      break;
    case 0x0C:
      dtype_ = DType::i32, file_bytes_ = 4;
      break;
    case 0x0D:
      dtype_ = DType::f32, file_bytes_ = 4;
      break;
    case 0x0E:
      dtype_ = DType::f64, file_bytes_ = 8;
      break;
    default:
      throw Error(Exit::data,
                  str(in_.path(), ": has IDX type ", int{head[2]}, ", expected 8, 9, 11, 12, 13 or 14"));
  }
  if (head[3] > kMaxRank)
    throw Error(Exit::data,
                str(in_.path(), ": has IDX rank ", int{head[3]}, ", expected at most ", kMaxRank));
  int64_t row_bytes = size_of(dtype_);
  for (int i = 0; i < head[3]; ++i) {
    uint8_t b[4];
    in_.read_exact(b, 4, str("extent ", i + 1, " of ", int{head[3]}, " of the IDX header"));
    const auto extent = static_cast<int64_t>(big_endian<4>(b));
    if (extent == 0)
      throw Error(Exit::data, str(in_.path(), ": extent ", i + 1, " is zero, expected at least 1"));
    if (i == 0) {
      rows_ = extent;
      continue;
    }
    row_shape_.push_back(extent);
    row_bytes = extent > kMaxRowBytes ? kMaxRowBytes + 1 : std::min(row_bytes * extent, kMaxRowBytes + 1);
  }
  if (row_bytes > kMaxRowBytes)
    throw Error(Exit::data, str(in_.path(), ": one record (", row_shape_.text(), ") is larger than 256 MiB"));
  header_bytes_ = in_.position();
}

int64_t IdxReader::read(int64_t count, void* dst) {
  count = std::min(count, rows_ - at_);
  if (count == 0) {
    if (!in_.at_end())
      throw Error(Exit::data, str(in_.path(), ": bytes follow record ", rows_ - 1,
                                  ", expected the end after ", rows_, " records"));
    return 0;
  }
  const int64_t values = count * row_shape_.elements();
  const auto bytes = static_cast<size_t>(values * file_bytes_);
  std::vector<uint8_t> packed;
  const bool in_place = dtype_ == DType::u8;
  if (!in_place) packed.resize(bytes);
  void* to = in_place ? dst : packed.data();
  const size_t got = in_.read(to, bytes);
  if (got < bytes) {
    const int64_t whole = at_ + static_cast<int64_t>(got) / (row_shape_.elements() * file_bytes_);
    throw Error(Exit::data, str(in_.path(), ": ends in record ", whole, ", expected ", rows_,
                                " records as its header says"));
  }
  const uint8_t* p = packed.data();
  if (dtype_ == DType::f32)
    convert<4, float, float>(p, dst, values);
  else if (dtype_ == DType::f64)
    convert<8, double, double>(p, dst, values);
  else if (!in_place && file_bytes_ == 1)
    convert<1, int32_t, int8_t>(p, dst, values);
  else if (!in_place && file_bytes_ == 2)
    convert<2, int32_t, int16_t>(p, dst, values);
  else if (!in_place)
    convert<4, int32_t, int32_t>(p, dst, values);
  at_ += count;
  return count;
}

void IdxReader::rewind() {
  in_.rewind();
  std::vector<uint8_t> head(static_cast<size_t>(header_bytes_));
  in_.read_exact(head.data(), head.size(), "an IDX header");
  at_ = 0;
}

}  // namespace dl
