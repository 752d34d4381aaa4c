#include "exec/cpu.h"

#include <cstdlib>

namespace dl {

#define DL_TABLE(isa)                 \
  namespace isa {                     \
  extern const Kernel* const table[]; \
  extern const Probe probe;           \
  }
#ifdef DL_HAVE_base
DL_TABLE(base)
#endif
#ifdef DL_HAVE_avx2
DL_TABLE(avx2)
#endif
#ifdef DL_HAVE_avx512
DL_TABLE(avx512)
#endif
#undef DL_TABLE

namespace {

static_assert(int(Elem::f32) == int(DType::f32) && int(Elem::f64) == int(DType::f64) &&
              int(Elem::i32) == int(DType::i32) && int(Elem::i64) == int(DType::i64) &&
              int(Elem::u8) == int(DType::u8) && int(Elem::bf16) == int(DType::bf16) &&
              int(Elem::f16) == int(DType::f16));

constexpr std::string_view kNames[] = {"base", "avx2", "avx512"};

const Kernel* const* table_of(Isa isa) {
#ifdef DL_HAVE_avx512
  if (isa == Isa::avx512) return avx512::table;
#endif
#ifdef DL_HAVE_avx2
  if (isa == Isa::avx2) return avx2::table;
#endif
  return isa == Isa::base ? base::table : nullptr;
}

bool processor_runs(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("fma");
#endif
  return isa == Isa::base;
}

}  // namespace

std::string_view name_of(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

std::vector<Isa> usable_isas() {
  std::vector<Isa> out;
  for (Isa isa : {Isa::base, Isa::avx2, Isa::avx512})
    if (table_of(isa) && processor_runs(isa)) out.push_back(isa);
  return out;
}

Isa best_isa() {
  static const Isa best = [] {
    const char* limit = std::getenv("DL_ISA_MAX");
    Isa found = Isa::base;
    for (Isa isa : usable_isas()) {
      found = isa;
      if (limit && name_of(isa) == limit) break;
    }
    return found;
  }();
  return best;
}

const Probe& cpu_probe(Isa isa) {
#ifdef DL_HAVE_avx512
  if (isa == Isa::avx512) return avx512::probe;
#endif
#ifdef DL_HAVE_avx2
  if (isa == Isa::avx2) return avx2::probe;
#endif
  (void)isa;
  return base::probe;
}

const Kernel& cpu_kernel(OpId op, Isa isa) { return *table_of(isa)[static_cast<size_t>(op)]; }

Arg make_arg(const TensorType& type, void* data) {
  Arg a;
  a.data = data;
  a.type = static_cast<Elem>(type.dtype);
  a.rank = static_cast<int8_t>(type.shape.rank());
  for (int i = 0; i < type.shape.rank(); ++i) a.dims[i] = type.shape[i];
  return a;
}

void run_call(Pool* pool, const Kernel& kernel, const Call& call, const Work& work, int first) {
  for (int phase = first; phase < work.phases; ++phase)
    parallel(pool, work.chunks[phase], [&](int64_t chunk, int worker) {
      kernel.run(call, phase, chunk, work.local ? pool_scratch(pool, worker, work.local) : nullptr);
    });
}

}  // namespace dl
