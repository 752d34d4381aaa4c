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
    1 << 20;                       // from here on blocks are mapped: zero pages for free, given back at once
constexpr size_t kHuge = 2 << 20;  // the size of a huge page, and the least block that stands on them

// Anonymous memory; null when there is none left. From kHuge on it starts on a huge page: one page fault and one entry
// of the address cache then serve 512 times the bytes. What does not fill a huge page at the end is made of small ones.
void* map(size_t bytes) {
  const size_t spare = bytes >= kHuge ? kHuge : 0;
  void* const p = ::mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  if (!spare) return p;
  char* const start = static_cast<char*>(p);
  const size_t page = 4096, head = (kHuge - reinterpret_cast<uintptr_t>(p) % kHuge) % kHuge,
               end = (head + bytes + page - 1) / page * page,
               mapped = (bytes + spare + page - 1) / page * page;
  if (head) ::munmap(start, head);
  if (end < mapped) ::munmap(start + end, mapped - end);
  ::madvise(start + head, bytes, MADV_HUGEPAGE);
  return start + head;
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
