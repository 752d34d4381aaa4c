#pragma once
// Gradients against differences of the loss: a check of one's own network, loss and layers.
//
// A parameter tensor w with gradient g is moved along unit directions v: along g, along random parts of g, along random signs,
// and along single elements. The central difference (L(w + h v) - L(w - h v)) / 2h has to be g v. Errors are relative to the
// norm of g (to the difference where that is larger), less what the rounding of the loss in f32 can make. The step is such that
// the loss changes by a given part of itself; smaller ones are tried while the error is large, because a loss with kinks (relu,
// max pooling) has a difference that is off wherever one lies between the two points.
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "train/run_log.h"
#include "train/run_setup.h"

namespace dl {

struct GradientCheckOptions {
  int64_t samples = 8;
  double tolerance = 0.01;
};

struct ParameterCheck {
  std::string name, type;
  double norm = 0;                      // of the gradient
  double worst = 0;                     // relative error
  std::string direction;                // that it was found along
  double gradient = 0, difference = 0;  // there: what was compared
  bool passed = true;
};

struct DL_API GradientCheck {
  double loss = 0;
  std::vector<ParameterCheck> parameters;
  std::vector<std::string> kinks;  // layers at which the loss has kinks: "relu_1 (relu)"
  bool passed() const;
  json record() const;
  std::string text() const;  // a table
};

// One tensor; `loss` computes the loss from `values` as they then are. They are left as they were.
DL_API ParameterCheck check_gradient(std::string name, std::span<float> values,
                                     std::span<const float> gradient, const std::function<double()>& loss,
                                     double tolerance, uint64_t seed);

// All trained parameters of the network that the request describes, at their first values or those of init_from, on the first
// samples of its training part, in f32 on the CPU. Errors as Trainer; Exit::usage for another device.
DL_API GradientCheck check_gradients(TrainRequest request, TrainHooks hooks,
                                     const GradientCheckOptions& options);

}  // namespace dl
