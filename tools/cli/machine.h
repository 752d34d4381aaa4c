#pragma once
// What this process may use of the machine it runs on.
#include <string>

namespace dl::cli {

int usable_cores();  // the affinity mask, cut by the CPU quota of the control groups
bool is_terminal(int fd);
// "90", "90s", "1h30m", "2d", "500ms" -> seconds; negative when the text is no duration.
double parse_duration(const std::string& text);

}  // namespace dl::cli
