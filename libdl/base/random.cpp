#include "base/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/clones.h"

namespace dl {
namespace {

constexpr int kLanes = 16;  // blocks at a time

// Philox for the blocks [first, first + kLanes), written lane by lane so that it becomes vector code.
DL_CLONES void philox_lanes(const Philox& p, uint64_t first, uint64_t hi, uint32_t* out) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t lo = first + static_cast<uint64_t>(i);
    c0[i] = uint32_t(lo);
    c1[i] = uint32_t(lo >> 32);
    c2[i] = uint32_t(hi);
    c3[i] = uint32_t(hi >> 32);
  }
  uint32_t k0 = p.key[0], k1 = p.key[1];
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < kLanes; ++i) {
      const uint64_t p0 = uint64_t(0xD2511F53u) * c0[i], p1 = uint64_t(0xCD9E8D57u) * c2[i];
      c0[i] = uint32_t(p1 >> 32) ^ c1[i] ^ k0;
      c2[i] = uint32_t(p0 >> 32) ^ c3[i] ^ k1;
      c1[i] = uint32_t(p1);
      c3[i] = uint32_t(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < kLanes; ++i) {
    out[4 * i] = c0[i];
    out[4 * i + 1] = c1[i];
    out[4 * i + 2] = c2[i];
    out[4 * i + 3] = c3[i];
  }
}

}  // namespace

void random_words(uint64_t seed, uint64_t stream, uint64_t first, std::span<uint32_t> out) {
  const Philox philox{{uint32_t(seed), uint32_t(seed >> 32)}};
  uint32_t words[4 * kLanes];
  for (size_t i = 0; i < out.size(); i += std::size(words)) {
    philox_lanes(philox, (first + i) / 4, stream, words);
    std::copy_n(words, std::min(std::size(words), out.size() - i), out.data() + i);
  }
}

uint32_t Random::bits() {
  if (left_ == 0) {
    block_ = philox_(lo_++, hi_);
    left_ = 4;
  }
  return block_.v[4 - left_--];
}

double Random::uniform() { return bits() * 0x1p-32; }

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double u = (bits() + 0.5) * 0x1p-32, v = uniform();
  const double r = std::sqrt(-2 * std::log(u)), a = 2 * std::numbers::pi * v;
  spare_ = r * std::sin(a);
  has_spare_ = true;
  return r * std::cos(a);
}

int64_t Random::below(int64_t n) {
  const auto range = static_cast<uint64_t>(n);
  const uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % range + 1) % range;  // largest accepted value
  for (;;) {
    const uint64_t hi = bits();
    const uint64_t v = hi << 32 | bits();
    if (v <= limit) return static_cast<int64_t>(v % range);
  }
}

}  // namespace dl
