#pragma once
// What layers compute with.
#include <array>
#include <string_view>

#include "graph/graph.h"

namespace dl {

// f32: as it is written. tf32: the same, but a device may round the factors of products to 10 bits of mantissa. bf16, f16:
// products, convolutions and what stands between them in 16 bits; parameters, statistics, losses and updates stay f32
// (Micikevicius et al., "Mixed precision training", 2018).
enum class Precision : uint8_t { f32, tf32, bf16, f16 };
constexpr auto enum_names(const Precision*) {
  return std::array<std::string_view, 4>{"f32", "tf32", "bf16", "f16"};
}

// A graph for bf16 or f16. On a device (`stored`) tensors take 16 bits; otherwise they stay f32 and are rounded wherever a
// device would store them, which gives the CPU the numbers of mixed precision, not its speed. f32, tf32: the graph itself.
DL_API Graph precise(Graph g, Precision precision, bool stored);

}  // namespace dl
