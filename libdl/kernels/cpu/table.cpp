// The kernels of one instruction set, in the order of ops.def. A missing kernel is a link error, never a surprise at run time.
#include "kernels/kernel.h"

namespace dl::DL_ISA {
#define DL_OP(name) extern const Kernel name;
#include "kernels/ops.def"
extern const Kernel* const table[];
const Kernel* const table[] = {
#define DL_OP(name) &name,
#include "kernels/ops.def"
};
}  // namespace dl::DL_ISA
