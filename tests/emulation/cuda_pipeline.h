#pragma once
// Copies from global to shared memory that are under way until they are waited for. Here they happen at the wait, so that a
// missing one shows.
#include <vector>

#include "cuda_runtime.h"

namespace emulation {
struct Copies {
  struct One {
    void* to;
    const void* from;
    size_t bytes, zeros;
  };
  std::vector<std::vector<One>> groups;
  std::vector<One> open;
};
inline thread_local std::vector<Copies> all_copies{1024};
inline Copies& copies() { return all_copies[thread_number()]; }
}  // namespace emulation

inline void __pipeline_memcpy_async(void* to, const void* from, size_t bytes, size_t zeros = 0) {
  emulation::copies().open.push_back({to, from, bytes, zeros});
}
inline void __pipeline_commit() {
  auto& c = emulation::copies();
  c.groups.push_back(std::move(c.open));
  c.open.clear();
}
inline void __pipeline_wait_prior(size_t left) {
  auto& groups = emulation::copies().groups;
  while (groups.size() > left) {
    for (const auto& copy : groups.front()) {
      if (reinterpret_cast<uintptr_t>(copy.to) % copy.bytes ||
          reinterpret_cast<uintptr_t>(copy.from) % copy.bytes)
        emulation::fail("an asynchronous copy that is not aligned");
      if (copy.bytes > copy.zeros) std::memcpy(copy.to, copy.from, copy.bytes - copy.zeros);
      std::memset(static_cast<char*>(copy.to) + (copy.bytes - copy.zeros), 0, copy.zeros);
    }
    groups.erase(groups.begin());
  }
}
