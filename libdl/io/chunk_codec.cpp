#include "io/chunk_codec.h"

#include <memory>
#include <new>

#include <libdeflate.h>

namespace dl {

void shuffle_bytes(const unsigned char* in, unsigned char* out, int64_t count, int64_t width) {
  for (int64_t k = 0; k < width; ++k)
    for (int64_t i = 0; i < count; ++i) out[k * count + i] = in[i * width + k];
}

void unshuffle_bytes(const unsigned char* in, unsigned char* out, int64_t count, int64_t width) {
  for (int64_t i = 0; i < count; ++i)
    for (int64_t k = 0; k < width; ++k) out[i * width + k] = in[k * count + i];
}

bool deflate_chunk(const unsigned char* in, int64_t bytes, std::vector<unsigned char>& out) {
  struct Free {
    void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
  };
  thread_local std::unique_ptr<libdeflate_compressor, Free> compressor(
      libdeflate_alloc_compressor(kDeflateLevel));
  if (!compressor) throw std::bad_alloc();
  out.resize(static_cast<size_t>(bytes));
  const size_t n =
      libdeflate_zlib_compress(compressor.get(), in, static_cast<size_t>(bytes), out.data(), out.size());
  out.resize(n);
  return n > 0 && n < static_cast<size_t>(bytes);
}

bool inflate_chunk(const unsigned char* in, int64_t bytes, unsigned char* out, int64_t out_bytes) {
  struct Free {
    void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
  };
  thread_local std::unique_ptr<libdeflate_decompressor, Free> decompressor(libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  return libdeflate_zlib_decompress(decompressor.get(), in, static_cast<size_t>(bytes), out,
                                    static_cast<size_t>(out_bytes), nullptr) == LIBDEFLATE_SUCCESS;
}

}  // namespace dl
