#pragma once
// What a kernel sees: raw pointers with checked shapes, plain attributes, and the share of the work it is to do.
// Kernel files include nothing else of libdl and no std containers: all code in them lives in namespace dl::DL_ISA
// (base, avx2, avx512; cuda, emulated), so that an inline function compiled with AVX-512 is never picked by the linker for a
// caller on an older processor.
#include <cstdint>

#ifdef __CUDACC__
#define DL_HD __host__ __device__
#else
#define DL_HD
#endif

namespace dl {

// Same values as DType (exec asserts it).
enum class Elem : uint8_t { f32, f64, i32, i64, u8, bf16, f16 };

struct Arg {
  void* data = nullptr;  // null while planning, and for an absent optional input
  Elem type = Elem::f32;
  int8_t rank = -1;      // -1: an absent optional input
  int64_t dims[6] = {};  // dense row-major extents
  __attribute__((always_inline)) bool present() const { return rank >= 0; }
  __attribute__((always_inline)) int64_t size() const {  // elements
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  __attribute__((always_inline)) int64_t size(int from, int to) const {
    int64_t n = 1;
    for (int i = from; i < to; ++i) n *= dims[i];
    return n;
  }
  __attribute__((always_inline)) float* f() const { return static_cast<float*>(data); }
  __attribute__((always_inline)) const int32_t* i() const { return static_cast<const int32_t*>(data); }
};

// One resolved operator.
struct Call {
  const Arg* in = nullptr;
  const Arg* out = nullptr;
  int n_in = 0, n_out = 0;
  const void* attrs = nullptr;  // the operator's attribute struct
  float* shared = nullptr;  // Work::shared floats, for all chunks of this call; contents undefined at phase 0
  bool fixed_weights = false;  // inputs 1 and 2 stay the same over many runs (Work::once)
  int threads = 1;             // how many workers there are: may shape the grid, must not shape the bits
  uint64_t seed = 0;           // of the run
  uint64_t stream = 0;         // of the node: keys its random numbers together with seed
  void* queue = nullptr;       // of the device, when it is not the CPU (kernels/cuda/launch.h)
};

// How a call is cut up. Phases run one after the other; the chunks of one phase run in any order on any worker.
// A function of shapes and attributes alone. Results must not depend on which worker runs which chunk.
struct Work {
  static constexpr int kMaxPhases = 4;
  int phases = 1;
  int64_t chunks[kMaxPhases] = {1, 1, 1, 1};
  int64_t shared = 0;  // floats of Call::shared
  // The first phases that read nothing but inputs 1 and 2. With fixed_weights they run once, and shared keeps what they
  // wrote; later phases must then leave it alone.
  int once = 0;
  int64_t local = 0;  // floats of scratch that each worker brings
};

struct Kernel {
  void (*plan)(const Call&, Work&);  // sees shapes and attributes, no data
  void (*run)(const Call&, int phase, int64_t chunk, float* local);
};

}  // namespace dl
