#include "io/image.h"

#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] { decode_image({data, size}, 3, "fuzz"); });
}
