#pragma once
// What an optimiser of the config becomes: one update operator for each parameter, with its attributes and what it
// remembers. An optimiser is one struct with a field list, one rule_of() and one row of the table in optimizer_rule.cpp.
#include <string>
#include <string_view>
#include <vector>

#include "nn/optimizer.h"

namespace dl {

// The settings that every optimiser has.
struct CommonOptimizer {
  double lr = 0.01, weight_decay = 0, l1 = 0;
  bool decoupled = false, decay_all = false;
  double clip_value = 0, clip_norm = 0, gradient_noise = 0, gradient_noise_decay = 0.55;
};

// A tensor of the parameter's type that goes from step to step.
struct UpdateMemory {
  std::string_view suffix;  // its name is "<parameter>/<suffix>"
  double fill = 0;
};

// How the norms of a parameter and of its step decide how far it moves: through its rate (LARS), or as a factor of the
// direction that the operator gives, along which sgd then moves (LAMB).
enum class Trust { none, rate, direction };

struct UpdateRule {
  std::string_view op;
  json attrs = json::object();            // beside those of UpdateAttrs
  std::vector<UpdateMemory> memory = {};  // operands before lr
  std::vector<UpdateMemory> behind = {};  // operands behind scale
  bool step = false;                      // counts steps
  Trust trust = Trust::none;
  json trust_attrs = json::object();
  bool has_momentum = false;  // takes the operand momentum
};

const CommonOptimizer& common_of(const Optimizer& o);
UpdateRule rule_of(const Optimizer& o);

}  // namespace dl
