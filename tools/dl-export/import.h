#pragma once
// --from: files of others become models.
#include "cli/tool.h"
#include "exchange/export_config.h"

namespace dl::exporting {

int import_network(cli::Invocation& in, const ExportConfig& config);

}  // namespace dl::exporting
