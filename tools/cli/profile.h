#pragma once
#include "cli/tool.h"
#include "train/bench.h"

namespace dl::cli {

// The option that write_profile reads.
Option profile_option();
// Writes the profile to every FILE of --profile; for "-" its table goes to standard error.
void write_profile(Invocation& in, const Profile& profile);

}  // namespace dl::cli
