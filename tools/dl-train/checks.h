#pragma once
// What dl-train does instead of training: the range test of learning rates, the check of gradients, one batch by heart.
#include <vector>

#include "cli/tool.h"
#include "train/run_log.h"
#include "train/run_setup.h"

namespace dl::cli {

std::vector<Option> check_options();
// Whether one of them is asked for.
bool asks_for_check(const Invocation& in);
// The exit code: 0, or that of a check that failed.
int run_check(Invocation& in, TrainRequest request, TrainHooks hooks);

}  // namespace dl::cli
