#pragma once
// What a tool's declaration says to people and shells.
#include <string>

#include "cli/tool.h"

namespace dl::cli {

std::string help_text(const Tool& tool);
std::string usage_text(const Tool& tool);  // the synopsis alone
std::string man_page(const Tool& tool);    // roff
// Text as roff reads it literally: hyphens are minus signs, no line starts a request.
std::string roff(const std::string& text);
// One manual entry for each key of a schema, its members below it under their dotted names.
void add_keys(const json& schema, const std::string& prefix, std::string& out, int depth = 0);
std::string completion_script(const Tool& tool, const std::string& shell);
std::string version_text(const Tool& tool);
json version_record(const Tool& tool);

struct ExitDoc {
  int code;
  std::string_view name, doc;
};
std::span<const ExitDoc> exit_codes();

// `text` broken at `width` columns, each line after `indent` spaces.
std::string wrapped(const std::string& text, size_t indent, size_t width = 80);

}  // namespace dl::cli
