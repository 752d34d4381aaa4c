#pragma once
// The blocked form of images (N, C, H, W): (N, ceil(C / 16), H, W, 16), sixteen channels side by side, for every
// instruction set. Lanes behind channel C are zero in what operators give.
#include <cstdint>

namespace dl {

constexpr int64_t kChannelBlock = 16;
constexpr int64_t channel_blocks(int64_t channels) { return (channels + kChannelBlock - 1) / kChannelBlock; }

struct FromBlockedAttrs {
  int64_t channels = 1;
};

}  // namespace dl
