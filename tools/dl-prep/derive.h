#pragma once
// dl-prep --merge, --fraction, --shard, --shuffle: data sets from data sets.
#include "cli/tool.h"

namespace dl::prep {

bool derives(const cli::Invocation& in);  // whether one of these was asked for
int derive(cli::Invocation& in);

}  // namespace dl::prep
