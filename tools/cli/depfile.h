#pragma once
#include <span>
#include <string>

namespace dl::cli {

// Writes `target: files...` as a make rule, and an empty rule for each file so that a deleted one stops no
// build. Names that are no regular files ("-", FIFOs) are left out. Throws Error(Exit::io).
void write_depfile(const std::string& path, const std::string& target, std::span<const std::string> files);

}  // namespace dl::cli
