#pragma once
// The activation that a producing kernel applies to its output while the tile is in cache (set by the fuse
// pass).
#include <cstdint>

namespace dl {

enum class Activation : int32_t { none, relu, relu6, tanh, sigmoid, gelu };

}  // namespace dl
