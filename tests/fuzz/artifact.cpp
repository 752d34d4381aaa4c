#include "io/artifact.h"

#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const FuzzFile file(data, size);
    const ArtifactReader reader(file.path(), "");
    reader.config();
    reader.parents();
    for (const std::string& name : reader.data_sets("/")) reader.read("/" + name);
  });
}
