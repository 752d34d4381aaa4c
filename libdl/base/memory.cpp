#include "base/memory.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {
constexpr size_t kMapped =
    1 << 20;  // from here on blocks are mapped: zero pages for free, given back at once
}

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (!bytes) return;
  if (bytes >= kMapped) {
    void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    data_ = p == MAP_FAILED ? nullptr : p;
  } else {
    data_ = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    if (data_) std::memset(data_, 0, bytes);
  }
  if (!data_)
    throw Error(Exit::memory, str("out of memory: ", human_bytes(double(bytes)), " asked for in one piece"));
}

Memory::~Memory() {
  if (bytes_ >= kMapped)
    ::munmap(data_, bytes_);
  else
    std::free(data_);
}

Memory& Memory::operator=(Memory&& o) noexcept {
  std::swap(data_, o.data_);
  std::swap(bytes_, o.bytes_);
  return *this;
}

}  // namespace dl
