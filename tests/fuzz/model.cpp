#include "nn/model.h"

#include "base/json_text.h"
#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const Document document = parse_json(text_of(data, size), "fuzz.json");
    build_model(document.value, {.batch = 2, .classes = 10});
  });
}
