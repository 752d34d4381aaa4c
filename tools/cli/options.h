#pragma once
// The common options, declared once, and the parser of the command line (CLI11 underneath).
#include <map>
#include <string>
#include <vector>

#include "cli/tool.h"

namespace dl::cli {

struct OptionGroup {
  std::string title;
  std::vector<Option> options;
};

// The tool's own options first, then those that all tools share.
std::vector<OptionGroup> all_options(const Tool& tool);

struct Arguments {
  std::map<std::string, std::vector<std::string>> values;  // by long name; switches hold "true" or "false"
  std::vector<std::string> positionals;
};

// Throws Error(Exit::usage).
Arguments parse_arguments(const Tool& tool, const std::vector<std::string>& args);

}  // namespace dl::cli
