#pragma once
// How closely what was written computes what the network computes: inputs to try, and the comparison.
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "graph/graph.h"
#include "nn/model.h"

namespace dl {

struct Tolerance {
  double rtol = 1e-5;  // of the largest magnitude in an output
  double atol = 1e-7;
};

struct Agreement {
  std::string output;
  int64_t samples = 0;
  double scale = 0;    // largest magnitude
  double worst = 0;    // largest difference; infinity where one side is not finite and the other differs
  int64_t labels = 0;  // rows whose highest score was compared; 0 where there are fewer than two scores
  int64_t wrong = 0;   // of these, with another class in first place by more than the tolerance
  bool within(const Tolerance& t) const { return wrong == 0 && worst <= t.atol + t.rtol * scale; }
};

using NetworkInputs = std::map<std::string, Tensor>;  // by input name, with the batch extent

// Inputs of one batch: bytes and integers uniform over 0 to 255 and 0 to 9, floats normal with the input's
// mean and deviation where they are known.
DL_API NetworkInputs random_inputs(const Graph& graph, const std::map<std::string, Standardization>& known,
                                   uint64_t seed);

// One output as numbers, row-major.
struct Numbers {
  std::span<const int64_t> shape;
  std::span<const double> v;
};
// Adds what one batch shows to `a`; outputs of another shape are infinitely far apart.
DL_API void compare(const Numbers& got, const Numbers& want, const Tolerance& t, Agreement& a);
// Error (numeric) that names each output out of tolerance, with numbers. `what` is the subject: "the ONNX file".
DL_API void require_agreement(const std::vector<Agreement>& found, const Tolerance& tolerance,
                              const std::string& what);

}  // namespace dl
