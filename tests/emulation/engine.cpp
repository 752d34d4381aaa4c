#include "engine.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

thread_local uint3 threadIdx, blockIdx;
thread_local dim3 blockDim, gridDim;

namespace emulation {
namespace {

constexpr size_t kStack = 128 << 10;
constexpr size_t kSlot = 256;  // bytes of a lane in a meeting
constexpr unsigned kWarp = 32;

#if defined(__x86_64__)
using Context = void*;
// Keeps what a call must preserve on the stack that is left, and goes on where `to` was left.
extern "C" void dl_emulation_switch(Context* from, Context to);
asm(R"(
.text
.type dl_emulation_switch, @function
dl_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size dl_emulation_switch, .-dl_emulation_switch
)");
void make_context(Context& c, char* stack, void (*entry)()) {
  auto** top = reinterpret_cast<void**>(stack + kStack - 64);
  *--top = nullptr;  // where entry would return to; keeps its stack aligned
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  c = top;
}
void switch_context(Context& from, Context& to) { dl_emulation_switch(&from, to); }
#else
using Context = ucontext_t;
void make_context(Context& c, char* stack, void (*entry)()) {
  getcontext(&c);
  c.uc_stack = {stack, 0, kStack};
  c.uc_link = nullptr;
  makecontext(&c, entry, 0);
}
void switch_context(Context& from, Context& to) { swapcontext(&from, &to); }
#endif

enum class State : uint8_t { ready, at_barrier, at_meeting, done };

struct Fiber {
  Context context;
  State state = State::ready;
  uint3 index;
  unsigned meetings = 0;
  void* fake_stack = nullptr;
};

struct Warp {
  unsigned lanes = 0, alive = 0, arrived = 0;
  size_t bytes = 0;
  alignas(16) char slots[2][kWarp * kSlot];
};

struct Machine {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  char* stacks = nullptr;
  size_t stack_count = 0;
  Context scheduler;
  void* scheduler_fake = nullptr;
  const void* scheduler_stack = nullptr;
  size_t scheduler_size = 0;
  unsigned running = 0;
  unsigned alive = 0, at_barrier = 0;
  const std::function<void()>* body = nullptr;
  std::string error;
  char* shared = nullptr;
  ~Machine() {
    if (stacks) ::munmap(stacks, stack_count * kStack);
  }
};

thread_local Machine m;
Order chosen = Order::forward;

void to_scheduler(Fiber& f, bool for_good) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &f.fake_stack, m.scheduler_stack, m.scheduler_size);
#else
  (void)for_good;
#endif
  switch_context(f.context, m.scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(f.fake_stack, &m.scheduler_stack, &m.scheduler_size);
#endif
}

void finish(Fiber& f) {
  f.state = State::done;
  --m.alive;
  --m.warps[m.running / kWarp].alive;
  to_scheduler(f, true);
  std::abort();  // a finished thread does not run again
}

void entry() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &m.scheduler_stack, &m.scheduler_size);
#endif
  (*m.body)();
  finish(m.fibers[m.running]);
}

void resume(unsigned t) {
  Fiber& f = m.fibers[t];
  m.running = t;
  threadIdx = f.index;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&m.scheduler_fake, m.stacks + t * kStack, kStack);
#endif
  switch_context(m.scheduler, f.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(m.scheduler_fake, nullptr, nullptr);
#endif
}

void start_threads(dim3 block) {
  const unsigned n = block.x * block.y * block.z;
  if (m.stack_count < n) {
    if (m.stacks) ::munmap(m.stacks, m.stack_count * kStack);
    void* p = ::mmap(nullptr, n * kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    m.stacks = static_cast<char*>(p);
    m.stack_count = n;
  }
  m.fibers.resize(n);
  m.warps.resize((n + kWarp - 1) / kWarp);
  for (Warp& w : m.warps) w.alive = w.arrived = w.lanes = 0;
  for (unsigned t = 0; t < n; ++t) {
    Fiber& f = m.fibers[t];
    f.state = State::ready;
    f.meetings = 0;
    f.fake_stack = nullptr;
    f.index = {t % block.x, t / block.x % block.y, t / block.x / block.y};
    make_context(f.context, m.stacks + t * kStack, entry);
    ++m.warps[t / kWarp].alive;
    ++m.warps[t / kWarp].lanes;
  }
  m.alive = n;
  m.at_barrier = 0;
}

// Lets every thread that can run do so; false when none could.
bool turn(Order order) {
  const auto n = static_cast<unsigned>(m.fibers.size());
  bool ran = false;
  for (unsigned i = 0; i < n; ++i) {
    const unsigned t = order == Order::forward ? i : n - 1 - i;
    if (m.fibers[t].state != State::ready) continue;
    ran = true;
    resume(t);
  }
  return ran;
}

// After every thread has stopped: opens the barriers and meetings at which all that are left have arrived.
bool release() {
  bool any = false;
  for (size_t w = 0; w < m.warps.size(); ++w) {
    Warp& warp = m.warps[w];
    if (warp.arrived == 0 || warp.arrived != warp.alive) continue;
    if (warp.alive != warp.lanes) m.error = "a warp operation for all lanes, of which some have returned";
    warp.arrived = 0;
    any = true;
    for (size_t t = w * kWarp; t < std::min(m.fibers.size(), (w + 1) * kWarp); ++t)
      if (m.fibers[t].state == State::at_meeting) m.fibers[t].state = State::ready;
  }
  if (any || m.at_barrier == 0 || m.at_barrier != m.alive || m.alive != m.fibers.size()) return any;
  m.at_barrier = 0;
  for (Fiber& f : m.fibers) f.state = State::ready;
  return true;
}

void run_block(Order order, dim3 block) {
  start_threads(block);
  while (turn(order) || release()) {
    if (!m.error.empty()) throw std::logic_error(m.error);
  }
  if (!m.error.empty()) throw std::logic_error(m.error);
  if (m.alive)
    throw std::logic_error("threads wait for others that do not come: " + std::to_string(m.at_barrier) +
                           " of " + std::to_string(m.fibers.size()) + " at the barrier of the block, " +
                           std::to_string(m.fibers.size() - m.alive) + " have returned");
}

}  // namespace

void set_order(Order order) { chosen = order; }
Order order() { return chosen; }

}  // namespace emulation

extern "C" __attribute__((visibility("default"))) void dl_emulation_backward(bool backward) {
  emulation::set_order(backward ? emulation::Order::backward : emulation::Order::forward);
}

namespace emulation {

void run_grid(Order order, dim3 grid, dim3 block, size_t shared, const std::function<void()>& thread) {
  const size_t threads = size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024)
    throw std::logic_error("a block of " + std::to_string(threads) + " threads");
  if (grid.y > 65535 || grid.z > 65535) throw std::logic_error("a grid that is too large in y or z");
  m.error.clear();
  m.body = &thread;
  blockDim = block;
  gridDim = grid;
  void* start = nullptr;
  if (shared && ::posix_memalign(&start, 128, shared) != 0) throw std::bad_alloc();
  const std::unique_ptr<void, void (*)(void*)> memory(start, std::free);
  m.shared = static_cast<char*>(start);
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t b = order == Order::forward ? i : blocks - 1 - i;
    blockIdx = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                static_cast<unsigned>(b / grid.x / grid.y)};
    if (shared) std::memset(m.shared, 0xff, shared);
    run_block(order, block);
  }
}

void* dynamic_shared() { return m.shared; }

void sync_block() {
  Fiber& f = m.fibers[m.running];
  f.state = State::at_barrier;
  ++m.at_barrier;
  const uint3 index = threadIdx;
  to_scheduler(f, false);
  threadIdx = index;
}

const void* meet(const void* mine, size_t bytes) {
  const unsigned t = m.running;
  Fiber& f = m.fibers[t];
  Warp& w = m.warps[t / kWarp];
  if (bytes > kSlot) fail("a warp operation with too many bytes");
  if (w.arrived == 0) w.bytes = bytes;
  if (w.bytes != bytes) fail("lanes of a warp meet in different operations");
  char* const slots = w.slots[f.meetings++ % 2];
  std::memcpy(slots + (t % kWarp) * bytes, mine, bytes);
  ++w.arrived;
  f.state = State::at_meeting;
  to_scheduler(f, false);
  return slots;
}

[[noreturn]] void fail(const std::string& what) {
  if (m.error.empty()) m.error = what;
  finish(m.fibers[m.running]);
  std::abort();
}

unsigned thread_number() { return m.running; }
int lane() { return static_cast<int>(m.running % kWarp); }

}  // namespace emulation
