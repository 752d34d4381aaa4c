#pragma once
// Aligned memory that reports exhaustion as an Error with Exit::memory.
#include <cstddef>
#include <cstdint>

#include "base/export.h"

namespace dl {

inline constexpr size_t kAlignment = 64;  // bytes; every tensor and arena block starts on it

// Owns `bytes` zero-initialised bytes aligned to kAlignment. Large blocks come from mmap, so untouched pages cost nothing,
// and stand on huge pages where the system grants them.
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

// Memory of this process that is resident now, and the most there was since it started (VmRSS and VmHWM); 0 where the
// system does not say.
DL_API int64_t resident_bytes();
DL_API int64_t peak_resident_bytes();

}  // namespace dl
