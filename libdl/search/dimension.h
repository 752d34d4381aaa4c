#pragma once
// One key that varies: which values it takes, when it counts, and where a value stands on the interval [0, 1] on which
// samplers work.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace dl {

// Another key's value must be one of a list, or within bounds.
struct Condition {
  std::string key;
  json any_of = json::array();  // empty: any number within the bounds
  std::optional<double> min, max;
  bool holds(const json& value) const;
};

struct DL_API Dimension {
  enum class Kind { uniform, log_uniform, integer, log_integer, choice };
  std::string key;  // as written: "train.optimizer.lr" or a JSON pointer
  Kind kind = Kind::choice;
  double low = 0, high = 0;
  double step = 0;     // uniform, integer: low, low + step, ...; 0: every value
  int64_t points = 0;  // of a grid; 0: all values, or five of a continuum
  json choices;        // choice: an array
  std::vector<Condition>
      when;  // all must hold. Keys of this space come from the trial, others from the config.

  int64_t cells() const;  // distinct values; 0: a continuum
  // Whether neighbours on the interval are alike: all but a choice of things that are no growing numbers.
  bool ordered() const;
  // The value at u in [0, 1]: finite sets share the interval evenly (log_integer: by their logarithm), real values have
  // six significant digits. unit() is its inverse, to the middle of a cell.
  json value(double u) const;
  double unit(const json& value) const;
  bool holds(const json& value) const;  // whether it is one of the values
  // The part of the interval that gives this value: {u, u} of a continuum.
  std::pair<double, double> cell(const json& value) const;
};

// Reads {"log_uniform": [1e-4, 1]}. Throws Error(Exit::config) at a pointer below `at`.
DL_API Dimension parse_dimension(const std::string& key, const json& j, const std::string& at);

}  // namespace dl
