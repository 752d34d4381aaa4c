#pragma once
// A thin emulation of CUDA's blocks and threads on one CPU thread, so that the sources of the CUDA kernels run under
// sanitizers and in tests without a device. Every CUDA thread of a block is a fiber; barriers and warp operations switch to
// the next one. Blocks run one after the other. Misuse that a device would leave undefined (a barrier that only some
// threads reach, a shuffle with lanes missing) ends the launch with a message.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};

extern thread_local uint3 threadIdx, blockIdx;
extern thread_local dim3 blockDim, gridDim;

namespace emulation {

// The order in which threads of a block and blocks of a grid take their turns. What a kernel computes must not depend on
// it; tests run both, by dl_emulation_backward() of the library.
enum class Order { forward, backward };
void set_order(Order order);
Order order();  // of grids that are launched from now on

// Runs `thread` once for every thread of every block. `shared` bytes of dynamic shared memory start as NaN for each block
// and are followed by memory that must not be touched (seen by address sanitizer). Throws std::logic_error with what
// went wrong.
void run_grid(Order order, dim3 grid, dim3 block, size_t shared, const std::function<void()>& thread);

void* dynamic_shared();
void sync_block();
// All lanes of the warp that have not returned meet here. Returns the memory that they share for this meeting: 32 slots of
// `bytes` each, the caller's filled from `mine`. It stays valid until the lane's second meeting from here.
const void* meet(const void* mine, size_t bytes);
int lane();
unsigned thread_number();                         // in its block
[[noreturn]] void fail(const std::string& what);  // ends the launch

}  // namespace emulation
