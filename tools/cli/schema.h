#pragma once
// The JSON Schema of a tool's configuration, from the field lists of its sections.
#include <span>
#include <string_view>

#include "cli/tool.h"

namespace dl::cli {

// Every top-level key of a config document, whichever tool reads it.
std::span<const std::string_view> known_sections();
// The sections the tool reads in full; those of the other tools as "anything".
json config_schema(const Tool& tool);
// config_schema() with what only a validator needs: "$schema", "extends", and notes ("_x", "x-y") at every
// level.
json published_schema(const Tool& tool);

}  // namespace dl::cli
