#pragma once
// The two HDF5 filters that artifacts use, on one chunk in memory: byte shuffle (HDF5 filter 2) and deflate
// (filter 1, a zlib stream).
#include <cstdint>
#include <vector>

namespace dl {

inline constexpr int kDeflateLevel = 4;

// Groups byte k of all elements: in (count, width) -> out (width, count), and back.
void shuffle_bytes(const unsigned char* in, unsigned char* out, int64_t count, int64_t width);
void unshuffle_bytes(const unsigned char* in, unsigned char* out, int64_t count, int64_t width);

// False when the result would not be smaller than the input.
bool deflate_chunk(const unsigned char* in, int64_t bytes, std::vector<unsigned char>& out);
// False unless the stream is sound and holds exactly `out_bytes`.
bool inflate_chunk(const unsigned char* in, int64_t bytes, unsigned char* out, int64_t out_bytes);

}  // namespace dl
