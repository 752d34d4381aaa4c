#pragma once
// The proof that a written ONNX file computes what the network computes: both run on the same inputs, the
// file through the reference interpreter, the network through its plan.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/threads.h"
#include "exec/device.h"
#include "graph/graph.h"
#include "nn/model.h"

namespace dl {

struct OnnxTolerance {
  double rtol = 1e-5;  // of the largest magnitude in an output
  double atol = 1e-7;
};

struct OnnxAgreement {
  std::string output;
  int64_t samples = 0;
  double scale = 0;    // largest magnitude
  double worst = 0;    // largest difference; infinity where one side is not finite and the other differs
  int64_t labels = 0;  // rows whose highest score was compared; 0 where there are fewer than two scores
  int64_t wrong = 0;   // of these, with another class in first place by more than the tolerance
  bool within(const OnnxTolerance& t) const { return wrong == 0 && worst <= t.atol + t.rtol * scale; }
};

using OnnxInputs = std::map<std::string, Tensor>;  // by input name, with the batch extent

// Inputs of one batch: bytes and integers uniform over 0 to 255 and 0 to 9, floats normal with the input's
// mean and deviation where they are known.
DL_API OnnxInputs random_inputs(const Graph& graph, const std::map<std::string, Standardization>& known,
                                uint64_t seed);

// `build` gives the network for a batch size. Batches may differ in size, so the symbolic extent is put to
// use. The network runs on `device`, null: the CPU.
DL_API std::vector<OnnxAgreement> verify_onnx(const std::string& bytes,
                                              const std::function<Graph(int64_t)>& build,
                                              std::map<std::string, Tensor>& values,
                                              const std::vector<OnnxInputs>& batches, Pool* pool,
                                              const OnnxTolerance& tolerance = {},
                                              std::shared_ptr<Device> device = nullptr);
// Error (numeric) that names each output out of tolerance, with numbers.
DL_API void require_agreement(const std::vector<OnnxAgreement>& found, const OnnxTolerance& tolerance);

}  // namespace dl
