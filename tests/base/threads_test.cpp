#include "base/threads.h"

#include <doctest/doctest.h>

#include <atomic>

using namespace dl;

// A worker that is late for a short job must not claim from the longer one that follows.
TEST_CASE("every chunk of every job runs once, however short the jobs are and whatever follows them") {
  Pool* pool = pool_create(8);
  int64_t wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    const int64_t n = i % 2 ? 3 : 40 + i % 17;
    std::atomic<int64_t> runs{0};
    parallel(pool, n, [&](int64_t, int) { runs.fetch_add(1); });
    wrong += runs.load() != n;
  }
  CHECK(wrong == 0);
  pool_destroy(pool);
}
