#include "exchange/onnx_verify.h"

#include <algorithm>
#include <limits>

#include "base/str.h"
#include "exchange/onnx_reference.h"
#include "exec/executor.h"

namespace dl {
namespace {

OnnxValue output_of(Executor& network, const std::string& name) {
  Tensor t(network.output_type(name));
  std::copy_n(static_cast<const char*>(network.output(name)), t.bytes(), static_cast<char*>(t.raw()));
  return onnx_value(t);
}

void compare_values(const OnnxValue& got, const OnnxValue& want, const Tolerance& t, Agreement& a) {
  if (got.type != want.type)
    a.worst = std::numeric_limits<double>::infinity();
  else
    compare({got.shape, got.v}, {want.shape, want.v}, t, a);
}

}  // namespace

std::vector<Agreement> verify_onnx(const std::string& bytes, const std::function<Graph(int64_t)>& build,
                                   std::map<std::string, Tensor>& values,
                                   const std::vector<NetworkInputs>& batches, Pool* pool,
                                   const Tolerance& tolerance, std::shared_ptr<Device> device) {
  const OnnxReference reference(bytes);
  std::vector<Agreement> found;
  for (const OnnxReference::Port& port : reference.outputs()) found.push_back({.output = port.name});
  for (const NetworkInputs& batch : batches) {
    if (batch.empty() || batch.begin()->second.shape().rank() == 0)
      throw Error(Exit::internal, "a batch has no extent");
    PlanOptions options;
    options.device = device;
    options.threads = pool_threads(pool);
    Executor network(make_plan(build(batch.begin()->second.shape()[0]), options), pool, values);
    std::map<std::string, OnnxValue> feeds;
    for (const auto& [name, tensor] : batch) {
      if (network.has_input(name)) network.feed(name, tensor);
      feeds[name] = onnx_value(tensor);
    }
    network.run();
    const std::map<std::string, OnnxValue> out = reference.run(feeds);
    for (Agreement& a : found) compare_values(out.at(a.output), output_of(network, a.output), tolerance, a);
  }
  return found;
}

}  // namespace dl
