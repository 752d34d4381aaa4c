#pragma once
// Runs the trials of a study, each as a trainer process of its own in STUDY.trials/NNNN.
#include <string>

#include "cli/tool.h"
#include "search/study.h"

namespace dl::hpo {

// Returns the exit code: 0, 9 when --keep-going went past failures, 130 or 143 after a signal.
int run_trials(cli::Invocation& in, Study& study, const std::string& path, const std::string& trainer);

}  // namespace dl::hpo
