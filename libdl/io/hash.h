#pragma once
// SHA-256 (libcrypto), for content and recipe hashes.
#include <memory>
#include <string>
#include <string_view>

#include "base/export.h"

namespace dl {

class DL_API Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void add(const void* data, size_t bytes);
  void add(std::string_view text) { add(text.data(), text.size()); }
  std::string hex();  // 64 digits; ends the hash

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

DL_API std::string sha256_hex(std::string_view text);

}  // namespace dl
