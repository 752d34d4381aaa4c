#pragma once
// Aligned memory that reports exhaustion as an Error with Exit::memory.
#include <cstddef>
#include <cstdint>

#include "base/export.h"

namespace dl {

inline constexpr size_t kAlignment = 64;  // bytes; every tensor and arena block starts on it

// Owns `bytes` zero-initialised bytes aligned to kAlignment. Large blocks come from mmap, so untouched pages cost nothing.
class DL_API Memory {
 public:
  Memory() = default;
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(Memory&& o) noexcept : data_(o.data_), bytes_(o.bytes_) { o.data_ = nullptr, o.bytes_ = 0; }
  Memory& operator=(Memory&& o) noexcept;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace dl
