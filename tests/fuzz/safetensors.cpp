#include "exchange/safetensors.h"

#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] { to_safetensors(from_safetensors(text_of(data, size))); });
}
