#pragma once
// The blocked form of images (N, C, H, W): (N, ceil(C / 16), H, W, 16), sixteen channels side by side, for every
// instruction set. On a device one block holds all channels: (N, 1, H, W, lanes), channels last, with C rounded up to a
// multiple of eight lanes. Lanes behind channel C are zero in what operators give.
#include <cstdint>

namespace dl {

constexpr int64_t kChannelBlock = 16;
constexpr int64_t channel_blocks(int64_t channels) { return (channels + kChannelBlock - 1) / kChannelBlock; }

constexpr int64_t channels_last_lanes(int64_t channels) { return (channels + 7) / 8 * 8; }

struct ToBlockedAttrs {
  bool channels_last = false;
};
struct FromBlockedAttrs {
  int64_t channels = 1;
};

}  // namespace dl
