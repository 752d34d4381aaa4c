#pragma once
// The proof that a written ONNX file computes what the network computes: both run on the same inputs, the
// file through the reference interpreter, the network through its plan.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/threads.h"
#include "exchange/agreement.h"
#include "exec/device.h"
#include "graph/graph.h"

namespace dl {

// `build` gives the network for a batch size. Batches may differ in size, so the symbolic extent is put to
// use. The network runs on `device`, null: the CPU.
DL_API std::vector<Agreement> verify_onnx(const std::string& bytes,
                                          const std::function<Graph(int64_t)>& build,
                                          std::map<std::string, Tensor>& values,
                                          const std::vector<NetworkInputs>& batches, Pool* pool,
                                          const Tolerance& tolerance = {},
                                          std::shared_ptr<Device> device = nullptr);

}  // namespace dl
