#include "base/config.h"

#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const ConfigSource source = ConfigSource::from_text("fuzz.json", std::string(text_of(data, size)));
    const Config config = Config::load({&source, 1});
    config.explain("");
    config.where("/model/layers/0");
  });
}
