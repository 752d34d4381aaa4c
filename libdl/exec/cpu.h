#pragma once
// The CPU device: which instruction sets there are, their kernel tables, and how a call is spread over the pool.
#include <string_view>
#include <vector>

#include "base/export.h"
#include "base/threads.h"
#include "kernels/kernel.h"
#include "kernels/probe.h"
#include "ops/registry.h"

namespace dl {

enum class Isa : uint8_t { base, avx2, avx512 };
DL_API std::string_view name_of(Isa isa);
// Those that this build holds and this processor runs, base first.
DL_API std::vector<Isa> usable_isas();
// The widest usable one. DL_ISA_MAX=base|avx2|avx512 in the environment (for tests) sets an upper bound.
DL_API Isa best_isa();
DL_API const Kernel& cpu_kernel(OpId op, Isa isa);
const Probe& cpu_probe(Isa isa);

// A tensor as kernels see it. `data` may be null while planning.
DL_API Arg make_arg(const TensorType& type, void* data);
inline Arg absent_arg() { return {}; }

// Runs the phases of one planned call from `first` on, all chunks of each on the pool. `call.shared` must hold work.shared
// floats.
DL_API void run_call(Pool* pool, const Kernel& kernel, const Call& call, const Work& work, int first = 0);

}  // namespace dl
