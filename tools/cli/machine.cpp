#include "cli/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/json_text.h"
#include "base/str.h"

namespace dl::cli {
namespace {

std::string small_file(const std::string& path) {
  try {
    return read_text_file(path, 1 << 16);
  } catch (const Error&) { return {}; }
}

// Cores that "max 100000" or "150000 100000" of a cgroup 2 cpu.max grants; 0 for no limit.
double quota(const std::string& text) {
  const auto parts = split(trim(text), ' ');
  if (parts.size() != 2 || parts[0] == "max") return 0;
  const double period = std::strtod(parts[1].c_str(), nullptr);
  return period > 0 ? std::strtod(parts[0].c_str(), nullptr) / period : 0;
}

double cgroup_cores() {
  std::string folder;
  for (const std::string& line : split(small_file("/proc/self/cgroup"), '\n'))
    if (line.starts_with("0::")) folder = line.substr(3);
  double least = 0;
  for (int depth = 0; depth < 64; ++depth) {  // a parent's limit holds too
    const double q = quota(small_file("/sys/fs/cgroup" + folder + "/cpu.max"));
    if (q > 0) least = least > 0 ? std::min(least, q) : q;
    if (folder.empty() || folder == "/") break;
    folder.resize(folder.rfind('/'));
  }
  return least;
}

}  // namespace

int usable_cores() {
  int n = 1;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) n = std::max(1, CPU_COUNT(&set));
  const double limit = cgroup_cores();
  return limit > 0 ? std::clamp(static_cast<int>(std::ceil(limit)), 1, n) : n;
}

bool is_terminal(int fd) { return isatty(fd) == 1; }

double parse_duration(const std::string& text) {
  double total = 0;
  const char* p = text.data();
  const char* const end = p + text.size();
  if (p == end) return -1;
  while (p < end) {
    double v = 0;
    const auto [next, error] = std::from_chars(p, end, v, std::chars_format::fixed);
    if (error != std::errc() || !(v >= 0) || !std::isfinite(v)) return -1;
    p = next;
    const char* unit_end = std::find_if(p, end, [](char c) { return c < 'a' || c > 'z'; });
    const std::string_view unit(p, static_cast<size_t>(unit_end - p));
    const double factor = unit == "d"                   ? 86400
                          : unit == "h"                 ? 3600
                          : unit == "m"                 ? 60
                          : unit == "s" || unit.empty() ? 1
                          : unit == "ms"                ? 1e-3
                                                        : -1;
    if (factor < 0 || (unit.empty() && unit_end != end)) return -1;
    total += v * factor;
    p = unit_end;
  }
  return total;
}

}  // namespace dl::cli
