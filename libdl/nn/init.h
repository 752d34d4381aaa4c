#pragma once
// Initial values of parameters: {"init": {"type": "he_normal"}} or {"init": "zero"} on any layer.
#include <cstdint>
#include <string_view>

#include "base/fields.h"
#include "base/threads.h"
#include "tensor/tensor.h"

namespace dl {

struct InitializerFamily {
  static constexpr std::string_view what = "initializer";
  DL_API static std::span<const Variant> variants();
};
// Default-constructed: zero.
using Initializer = Typed<InitializerFamily>;

// Connections into and out of one unit. For a weight of shape (out, in) or (out, in / groups, kh, kw): in and
// out times the window; anything of lower rank counts its elements on both sides.
struct Fans {
  double in = 1, out = 1;
};
DL_API Fans fans_of(const Shape& weight);

// Fills a tensor of f32 that is zero so far, as a pure function of the other arguments: draws are keyed by (seed,
// stream_id(name)) and the element's index. The pool shares the work, where there is one.
DL_API void initialize(Tensor& t, const Initializer& init, uint64_t seed, std::string_view name,
                       Pool* pool = nullptr);
// The same as a new tensor.
DL_API Tensor initial_value(const Initializer& init, const Shape& shape, uint64_t seed,
                            std::string_view name);

}  // namespace dl
