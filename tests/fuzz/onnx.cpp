#include "exchange/onnx_import.h"
#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const ImportedNetwork net = from_onnx(text_of(data, size));
    BuildOptions options{.batch = 2, .training = false};
    for (const ImportedNetwork::Port& p : net.inputs) options.inputs.push_back({p.name, p.type});
    build_model(net.model, options);
  });
}
