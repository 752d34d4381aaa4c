#pragma once
// One thread pool for everything. pool_run() calls fn(ctx, i, worker) for i in [0, n); chunks are claimed one by one,
// so a preempted worker delays only the chunk it holds. What chunk i computes must not depend on the thread count:
// then results are bitwise equal for any number of threads.
#include <cstdint>
#include <memory>
#include <type_traits>

#include "base/export.h"

namespace dl {

struct Pool;
using PoolFn = void (*)(void* ctx, int64_t i, int worker);

DL_API Pool* pool_create(int threads);  // threads - 1 workers; the caller is worker 0
DL_API void pool_destroy(Pool*);
struct PoolDeleter {
  void operator()(Pool* p) const { pool_destroy(p); }
};
using PoolOwner = std::unique_ptr<Pool, PoolDeleter>;
DL_API int pool_threads(const Pool*);
DL_API void pool_run(Pool*, int64_t n, PoolFn fn, void* ctx);
DL_API float* pool_scratch(Pool*, int worker, int64_t floats);  // grows, never shrinks; owned by the pool

template <class F>
void parallel(Pool* p, int64_t n, F&& f) {  // f(i, worker)
  using T = std::remove_reference_t<F>;
  pool_run(
      p, n, [](void* ctx, int64_t i, int w) { (*static_cast<T*>(ctx))(i, w); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace dl
