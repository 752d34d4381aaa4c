#include "io/idx.h"

#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const FuzzFile file(data, size);
    IdxReader reader(file.path());
    std::vector<unsigned char> row(TensorType{reader.dtype(), reader.row_shape()}.bytes());
    while (reader.read(1, row.data()) > 0) {}
  });
}
