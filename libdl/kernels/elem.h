#pragma once
// Elements of any type as bytes.
#include "kernels/kernel.h"

namespace dl::DL_ISA {

__attribute__((always_inline)) inline int64_t elem_size(Elem e) {
  switch (e) {
    case Elem::f32:
    case Elem::i32:
      return 4;
    case Elem::f64:
    case Elem::i64:
      return 8;
    case Elem::u8:
      return 1;
    case Elem::bf16:
    case Elem::f16:
      return 2;
  }
  return 0;
}
__attribute__((always_inline)) inline char* bytes(const Arg& a) { return static_cast<char*>(a.data); }
__attribute__((always_inline)) inline int64_t size_in_bytes(const Arg& a) {
  return a.size() * elem_size(a.type);
}

}  // namespace dl::DL_ISA
