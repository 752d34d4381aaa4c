#pragma once
// "1 epoch", "500 steps", "10m": how often something is done.
#include <string>

#include "base/export.h"

namespace dl {

struct Interval {
  enum class Unit { never, steps, epochs, seconds };
  Unit unit = Unit::never;
  double amount = 0;
};

// Accepts "never", "N step(s)", "N epoch(s)", and durations as parse_duration does. Error (config) at `pointer`.
DL_API Interval parse_interval(const std::string& text, const std::string& pointer);

// Seconds of "90", "90s", "10m", "1h30m", "2d"; negative when the text is no duration.
DL_API double parse_duration(const std::string& text);

}  // namespace dl
