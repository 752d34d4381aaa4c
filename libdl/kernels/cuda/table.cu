// The CUDA kernels in the order of ops.def. A missing kernel is a link error, never a surprise at run time.
#include "kernels/cuda/table.h"

namespace dl::DL_ISA {
#define DL_OP(name) extern const Kernel name;
#include "kernels/ops.def"
const Kernel* const table[] = {
#define DL_OP(name) &name,
#include "kernels/ops.def"
};
}  // namespace dl::DL_ISA
