#pragma once
// Runs one kernel straight from the table on buffers that end at an inaccessible page.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "exec/cpu.h"

namespace dl::test {

// n floats (or other elements of 4 bytes) whose end touches a page that faults; filled with NaN.
class Guarded {
 public:
  explicit Guarded(int64_t n) : n_(n), bytes_((static_cast<size_t>(n) * 4 + 4095) / 4096 * 4096 + 4096) {
    map_ =
        static_cast<char*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(map_ != MAP_FAILED);
    mprotect(map_ + bytes_ - 4096, 4096, PROT_NONE);
    poison();
  }
  ~Guarded() { munmap(map_, bytes_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  float* data() { return reinterpret_cast<float*>(map_ + bytes_ - 4096) - n_; }
  int64_t size() const { return n_; }
  void poison() { std::memset(data(), 0xff, static_cast<size_t>(n_) * 4); }

 private:
  int64_t n_;
  size_t bytes_;
  char* map_;
};

// Plans and runs; `shared` floats are provided and poisoned.
inline void run_kernel(Pool* pool, Isa isa, const OpDef& op, const std::vector<Arg>& in,
                       const std::vector<Arg>& out, const void* attrs) {
  Call call;
  call.in = in.data();
  call.out = out.data();
  call.n_in = static_cast<int>(in.size());
  call.n_out = static_cast<int>(out.size());
  call.attrs = attrs;
  call.threads = pool_threads(pool);
  const Kernel& kernel = cpu_kernel(op_id(op), isa);
  Work work;
  kernel.plan(call, work);
  Guarded shared(work.shared);
  call.shared = shared.data();
  run_call(pool, kernel, call, work);
}

}  // namespace dl::test
