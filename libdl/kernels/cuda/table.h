#pragma once
#include "kernels/kernel.h"

namespace dl::DL_ISA {
extern const Kernel* const table[];
}  // namespace dl::DL_ISA
