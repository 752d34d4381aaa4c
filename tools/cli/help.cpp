#include "cli/help.h"

#include "base/str.h"
#include "cli/options.h"

namespace dl::cli {
namespace {

constexpr ExitDoc kExits[] = {
    {0, "ok", "success; also when --if-changed found nothing to do, or a resumed run was finished already"},
    {1, "internal", "a bug of the program; please report it"},
    {2, "usage", "unknown option, missing argument"},
    {3, "config", "JSON syntax, unknown key, wrong type or range, shapes that do not fit, resume conflict"},
    {4, "data", "missing, truncated, of the wrong kind, bad records over the limit, empty input"},
    {5, "io", "cannot write, disk full, output exists and is not ours"},
    {6, "device", "the device of --device is absent or fails; a feature that this build lacks"},
    {7, "memory",
     "host or device memory exhausted; on a device before the first step, with the largest batch that fits"},
    {8, "numeric", "diverged; an export or determinism check failed"},
    {9, "partial", "finished with failures that were tolerated"},
    {10, "gate", "a condition of --gate or --baseline is false, everything else worked"},
    {130, "interrupted", "SIGINT; the state is saved where the tool keeps one"},
    {141, "broken pipe", "the reader went away; no message"},
    {143, "terminated", "SIGTERM; the state is saved where the tool keeps one"},
};

std::string option_head(const Option& o) {
  std::string out = o.letter ? str('-', o.letter, ", ") : "    ";
  out += o.take == Take::boolean ? str(o.name, ", --no-", o.name.substr(2)) : o.name;
  if (o.take == Take::optional)
    out += str("[=", o.arg, ']');
  else if (o.take == Take::one || o.take == Take::many)
    out += ' ' + o.arg;
  return out;
}

}  // namespace

std::span<const ExitDoc> exit_codes() { return kExits; }

std::string wrapped(const std::string& text, size_t indent, size_t width) {
  std::string out;
  size_t column = 0;
  for (const std::string& paragraph : split(text, '\n')) {
    if (!out.empty()) out += '\n';
    column = 0;
    for (const std::string& word : split(paragraph, ' ')) {
      if (word.empty()) continue;
      if (column && column + 1 + word.size() > width) {
        out += '\n';
        column = 0;
      }
      out += column ? " " : std::string(indent, ' ');
      column += (column ? 1 : indent) + word.size();
      out += word;
    }
  }
  return out;
}

std::string usage_text(const Tool& tool) {
  std::string out;
  for (const std::string& s : tool.synopsis)
    out += str(out.empty() ? "usage: " : "       ", tool.name, ' ', s, '\n');
  return out;
}

std::string help_text(const Tool& tool) {
  std::string out = str(tool.name, " - ", tool.summary, "\n\n", usage_text(tool));
  if (!tool.description.empty()) out += '\n' + wrapped(tool.description, 0) + '\n';
  if (!tool.positional.arg.empty())
    out += str('\n', tool.positional.arg, ":\n", wrapped(tool.positional.doc, 6), '\n');
  for (const OptionGroup& g : all_options(tool)) {
    if (g.options.empty()) continue;
    out += str('\n', g.title, ":\n");
    for (const Option& o : g.options) {
      const std::string fallback =
          o.fallback.empty() || o.take == Take::optional ? "" : str(" Default: ", o.fallback, '.');
      out += str("  ", option_head(o), '\n', wrapped(o.doc + fallback, 10), '\n');
    }
  }
  if (!tool.sections.empty()) {
    out += "\nSections of the configuration:\n";
    for (const Section& s : tool.sections) out += str("  ", s.name, '\n', wrapped(s.doc, 10), '\n');
  }
  if (!tool.examples.empty()) out += "\nExamples:\n";
  for (const Example& e : tool.examples) out += str("  ", e.command, '\n', wrapped(e.doc, 10), '\n');
  out += "\nExit status: ";
  for (const ExitDoc& e : kExits) out += str(e.code ? ", " : "", e.code, ' ', e.name);
  return out + ". See --man.\n";
}

std::string version_text(const Tool& tool) { return str(tool.name, " " DL_VERSION "\n"); }

json version_record(const Tool& tool) {
  return {{"tool", tool.name},
          {"version", DL_VERSION},
          {"compiler", __VERSION__},
#ifdef __OPTIMIZE__
          {"optimized", true},
#else
          {"optimized", false},
#endif
          {"cuda", false}};
}

}  // namespace dl::cli
