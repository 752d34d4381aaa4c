#pragma once
// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A draw is a pure function of (seed, stream, counter), so it does not depend on threads, batches or devices.
#include <cstdint>
#include <span>
#include <string_view>

#include "base/export.h"

namespace dl {

struct Philox {
  uint32_t key[2];

  struct Block {
    uint32_t v[4];
  };
  // The four words at a 128-bit counter.
  Block operator()(uint64_t lo, uint64_t hi) const {
    uint32_t c[4] = {uint32_t(lo), uint32_t(lo >> 32), uint32_t(hi), uint32_t(hi >> 32)};
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t(0xD2511F53u) * c[0], p1 = uint64_t(0xCD9E8D57u) * c[2];
      const uint32_t n0 = uint32_t(p1 >> 32) ^ c[1] ^ k0, n2 = uint32_t(p0 >> 32) ^ c[3] ^ k1;
      c[1] = uint32_t(p1);
      c[3] = uint32_t(p0);
      c[0] = n0;
      c[2] = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c[0], c[1], c[2], c[3]}};
  }
};

// A name for a stream of random numbers: FNV-1a of its text, e.g. stream_id("shuffle").
constexpr uint64_t stream_id(std::string_view name) {
  uint64_t h = 14695981039346656037ull;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

// Sequential draws from one stream: (seed, stream, sub) fixed, the counter runs.
class DL_API Random {
 public:
  Random(uint64_t seed, uint64_t stream, uint64_t sub = 0)
      : philox_{{uint32_t(seed), uint32_t(seed >> 32)}}, hi_(stream ^ (sub * 0x9E3779B97F4A7C15ull)) {}
  uint32_t bits();   // 32 uniform bits
  double uniform();  // [0, 1), 32 bits
  double uniform(double lo, double hi) { return lo + (hi - lo) * uniform(); }
  double normal();             // mean 0, variance 1 (Box-Muller)
  int64_t below(int64_t n);    // [0, n), n > 0, without bias
  void seek(uint64_t block) {  // to the word 4 * block of the stream
    lo_ = block;
    left_ = 0;
    has_spare_ = false;
  }

 private:
  Philox philox_;
  uint64_t hi_, lo_ = 0;
  Philox::Block block_{};
  int left_ = 0;
  double spare_ = 0;
  bool has_spare_ = false;
};

// The words [first, first + out.size()) that Random(seed, stream).bits() gives one after the other; `first` is a multiple
// of 4.
DL_API void random_words(uint64_t seed, uint64_t stream, uint64_t first, std::span<uint32_t> out);

}  // namespace dl
