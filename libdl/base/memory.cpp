#include "base/memory.h"

#include <cstdio>
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

// Anonymous memory on huge pages where the system grants them: one page fault and one entry of the address cache then
// serve 512 times the bytes. Blocks mapped one after the other lie side by side and share the huge pages at their seams, so
// nothing is rounded up. Null when there is no memory left.
void* map(size_t bytes) {
  void* const p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  ::madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

// A line "<key>:   123 kB" of /proc/self/status, in bytes.
int64_t status(const char* key) {
  std::FILE* const file = std::fopen("/proc/self/status", "re");
  if (!file) return 0;
  long long kib = 0;
  char line[256];
  while (std::fgets(line, sizeof line, file))
    if (std::strncmp(line, key, std::strlen(key)) == 0) std::sscanf(line + std::strlen(key), ": %lld", &kib);
  std::fclose(file);
  return kib * 1024;
}

}  // namespace

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (!bytes) return;
  if (bytes >= kMapped) {
    data_ = map(bytes);
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

int64_t resident_bytes() { return status("VmRSS"); }
int64_t peak_resident_bytes() { return status("VmHWM"); }

}  // namespace dl
