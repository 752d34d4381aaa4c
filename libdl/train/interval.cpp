#include "train/interval.h"

#include <cmath>

#include "base/error.h"
#include "base/str.h"

namespace dl {

double parse_duration(const std::string& text) {
  double total = 0;
  const char *p = text.data(), *end = p + text.size();
  if (p == end) return -1;
  while (p < end) {
    double v = 0;
    const auto r = std::from_chars(p, end, v);
    if (r.ec != std::errc() || !(v >= 0) || !std::isfinite(v)) return -1;
    p = r.ptr;
    double unit = 1;
    if (p < end) {
      switch (*p++) {
        case 's':
          unit = 1;
          break;
        case 'm':
          unit = 60;
          break;
        case 'h':
          unit = 3600;
          break;
        case 'd':
          unit = 86400;
          break;
        default:
          return -1;
      }
    }
    total += v * unit;
  }
  return total;
}

Interval parse_interval(const std::string& text, const std::string& pointer) {
  if (text == "never") return {};
  const std::string_view t = trim(text);
  double amount = 0;
  const auto r = std::from_chars(t.data(), t.data() + t.size(), amount);
  const std::string_view unit =
      trim(std::string_view(r.ptr, static_cast<size_t>(t.data() + t.size() - r.ptr)));
  if (r.ec == std::errc() && amount > 0 && amount == std::floor(amount)) {
    if (unit == "epoch" || unit == "epochs") return {Interval::Unit::epochs, amount};
    if (unit == "step" || unit == "steps") return {Interval::Unit::steps, amount};
  }
  const double seconds = parse_duration(std::string(t));
  if (seconds > 0) return {Interval::Unit::seconds, seconds};
  throw Error(Exit::config, pointer,
              str("'", text,
                  "' is no interval, expected for example \"1 epoch\", \"500 steps\", \"10m\" or \"never\""));
}

}  // namespace dl
