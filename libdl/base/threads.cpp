// Every worker owns a contiguous range of the chunks and claims from it first (the same data tends to stay on the same
// core from one job to the next), then helps the others. Range word: generation (high 32 bits) | chunks already claimed.
// A claim is one compare-and-swap on that word. Before the next job is described all words are closed: a late worker that
// has read the old generation finds nothing to claim, whatever part of the new description it saw. Idle workers spin
// kSpin pauses, then sleep on the generation.
#include "base/threads.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <atomic>
#include <cstdlib>
#include <new>

namespace dl {
namespace {

constexpr int kSpin = 600;  // about 20 us of pause instructions on Zen 4
constexpr int kMaxThreads = 256;
constexpr uint64_t kClosed = 0xffffffff;  // of a range word: more chunks than there can be

void futex_wait(std::atomic<uint32_t>& w, uint32_t value) {
  syscall(SYS_futex, &w, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<uint32_t>& w, int n) {
  syscall(SYS_futex, &w, FUTEX_WAKE_PRIVATE, n, nullptr, nullptr, 0);
}
void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

struct alignas(64) Range {
  std::atomic<uint64_t> next{0};
};
struct Scratch {
  float* p = nullptr;
  int64_t n = 0;
};

}  // namespace

struct Pool {
  alignas(64) std::atomic<int64_t> done{0};
  alignas(64) std::atomic<uint32_t> gen{0};  // the job number: workers spin and sleep on it
  std::atomic<uint32_t> sleepers{0};
  std::atomic<uint32_t> finished{0};  // futex of the caller: generation that is complete
  std::atomic<bool> waiting{false}, stop{false};
  alignas(64) std::atomic<PoolFn> fn{nullptr};
  std::atomic<void*> ctx{nullptr};
  std::atomic<int64_t> n{0};
  Range range[kMaxThreads];
  int threads;
  pthread_t id[kMaxThreads];
  Scratch scratch[kMaxThreads];
};

namespace {

// Claims and runs chunks of generation g until none is left.
void work(Pool* p, uint32_t g, int worker) {
  const PoolFn fn = p->fn.load(std::memory_order_relaxed);
  void* const ctx = p->ctx.load(std::memory_order_relaxed);
  const int64_t n = p->n.load(std::memory_order_acquire);
  int64_t mine = 0;
  for (int k = 0; k < p->threads; ++k) {
    const int w = worker + k < p->threads ? worker + k : worker + k - p->threads;
    const int64_t first = n * w / p->threads, size = n * (w + 1) / p->threads - first;
    std::atomic<uint64_t>& next = p->range[w].next;
    uint64_t s = next.load(std::memory_order_acquire);
    while (uint32_t(s >> 32) == g && int64_t(uint32_t(s)) < size) {
      if (!next.compare_exchange_weak(s, s + 1, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      fn(ctx, first + int64_t(uint32_t(s)), worker);
      ++mine;
      s = next.load(std::memory_order_acquire);
    }
  }
  if (mine && p->done.fetch_add(mine, std::memory_order_seq_cst) + mine == n) {
    p->finished.store(g, std::memory_order_seq_cst);
    if (p->waiting.load(std::memory_order_seq_cst)) futex_wake(p->finished, 1);
  }
}

struct Start {
  Pool* p;
  int worker;
};
void* worker_main(void* arg) {
  const Start s = *static_cast<Start*>(arg);
  delete static_cast<Start*>(arg);
  Pool* const p = s.p;
  uint32_t seen = 0;
  for (;;) {
    int spin = 0;
    uint32_t g;
    while ((g = p->gen.load(std::memory_order_acquire)) == seen) {
      if (++spin < kSpin) {
        pause();
        continue;
      }
      p->sleepers.fetch_add(1, std::memory_order_seq_cst);
      if (p->gen.load(std::memory_order_seq_cst) == seen) futex_wait(p->gen, seen);
      p->sleepers.fetch_sub(1, std::memory_order_seq_cst);
      spin = 0;
    }
    if (p->stop.load(std::memory_order_relaxed)) return nullptr;
    work(p, g, s.worker);
    seen = g;
  }
}

void publish(Pool* p, uint32_t g) {
  for (int w = 0; w < p->threads; ++w) p->range[w].next.store(uint64_t(g) << 32, std::memory_order_release);
  p->gen.store(g, std::memory_order_seq_cst);
  if (p->sleepers.load(std::memory_order_seq_cst)) futex_wake(p->gen, p->threads);
}

}  // namespace

Pool* pool_create(int threads) {
  Pool* p = new Pool;
  p->threads = threads < 1 ? 1 : threads > kMaxThreads ? kMaxThreads : threads;
  for (int i = 1; i < p->threads; ++i) pthread_create(&p->id[i], nullptr, worker_main, new Start{p, i});
  return p;
}

void pool_destroy(Pool* p) {
  p->stop.store(true, std::memory_order_relaxed);
  publish(p, p->gen.load() + 1);
  for (int i = 1; i < p->threads; ++i) pthread_join(p->id[i], nullptr);
  for (Scratch& s : p->scratch) std::free(s.p);
  delete p;
}

int pool_threads(const Pool* p) { return p->threads; }

void pool_run(Pool* p, int64_t n, PoolFn fn, void* ctx) {
  if (p->threads == 1 || n <= 1) {
    for (int64_t i = 0; i < n; ++i) fn(ctx, i, 0);
    return;
  }
  const uint32_t g = p->gen.load(std::memory_order_relaxed) + 1;
  for (int w = 0; w < p->threads; ++w)
    p->range[w].next.store(uint64_t(g) << 32 | kClosed, std::memory_order_relaxed);
  p->fn.store(fn, std::memory_order_relaxed);
  p->ctx.store(ctx, std::memory_order_relaxed);
  p->n.store(n, std::memory_order_release);
  p->done.store(0, std::memory_order_relaxed);
  publish(p, g);
  work(p, g, 0);
  for (int spin = 0; p->finished.load(std::memory_order_acquire) != g;) {
    if (++spin < kSpin) {
      pause();
      continue;
    }
    p->waiting.store(true, std::memory_order_seq_cst);
    const uint32_t f = p->finished.load(std::memory_order_seq_cst);
    if (f != g) futex_wait(p->finished, f);
    p->waiting.store(false, std::memory_order_seq_cst);
  }
}

float* pool_scratch(Pool* p, int worker, int64_t floats) {
  Scratch& s = p->scratch[worker];
  if (s.n < floats) {
    std::free(s.p);
    s.n = (floats + 1023) / 1024 * 1024;
    s.p = static_cast<float*>(std::aligned_alloc(64, s.n * 4));
    if (!s.p) throw std::bad_alloc();
  }
  return s.p;
}

}  // namespace dl
