#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/schema.h"
#include "base/str.h"
#include "cli/machine.h"
#include "cli/schema.h"

namespace dl::cli {
namespace {

std::vector<Option> common_config() {
  return {
      {.name = "--config",
       .letter = 'c',
       .arg = "FILE|-|{...}",
       .doc = "JSON configuration: a file, standard input, or the text itself. "
              "Repeatable, a later one wins. A file may build on others: \"extends\": [\"base.json\"], "
              "relative to itself.",
       .take = Take::many,
       .type = Type::input},
      {.name = "--set",
       .letter = 's',
       .arg = "KEY=VALUE",
       .doc = "Overrides one key: train.optimizer.lr=0.1, model.layers[-1].units=10 or "
              "/train/epochs=5. The value is JSON, else a string. ?KEY=VALUE sets the key only where the "
              "tool knows it. Repeatable.",
       .take = Take::many},
      {.name = "--print-config",
       .arg = "full|minimal",
       .doc = "Prints the resolved configuration: with all defaults, or only what was set.",
       .fallback = "full",
       .take = Take::optional,
       .choices = "full minimal"},
      {.name = "--explain",
       .arg = "KEY",
       .doc = "Prints each value, or those at and below KEY, with its origin and what it overrode.",
       .take = Take::optional},
      {.name = "--schema", .doc = "Prints the JSON Schema of the configuration.", .take = Take::nothing},
      {.name = "--init",
       .arg = "TEMPLATE",
       .doc = "Prints a first configuration to edit.",
       .take = Take::optional},
  };
}

std::vector<Option> common_run() {
  return {
      {.name = "--seed",
       .arg = "N",
       .doc = "Seed of every random choice. Recorded.",
       .fallback = "0",
       .type = Type::integer},
      {.name = "--device",
       .arg = "cpu|cuda[:N]|auto",
       .doc =
           "Where to compute: cuda is the first CUDA device, cuda:N the one of that number, auto the first "
           "that is there, "
           "else the CPU, and says so. A device that is absent is an error (exit 6), one with too little "
           "memory too (7). "
           "Equal inputs give equal bytes on the same kind of device; results of another agree to rounding.",
       .fallback = "cpu"},
      {.name = "--threads",
       .arg = "N",
       .doc = "Threads to use. Results do not depend on it. Default: the cores this process may use.",
       .type = Type::integer},
      {.name = "--max-time",
       .arg = "TIME",
       .doc = "Stops in good order after this time: 90s, 1h30m, 2d.",
       .type = Type::duration},
      {.name = "--tmp",
       .arg = "DIR",
       .doc = "Where to spool what comes from or goes into a pipe. Default: $TMPDIR, else /tmp.",
       .type = Type::path},
      {.name = "--dry-run",
       .doc = "Does everything up to the first step, then stops: inputs, shapes, labels, output, space.",
       .take = Take::nothing},
      {.name = "--plan",
       .doc = "Prints what would be computed, and what it costs, then stops.",
       .take = Take::nothing},
      {.name = "--force", .doc = "Overwrites an output that this tool did not write.", .take = Take::nothing},
      {.name = "--if-changed",
       .doc = "Does nothing, successfully, when the output was made by the same recipe from the same inputs.",
       .take = Take::nothing},
      {.name = "--depfile",
       .arg = "FILE",
       .doc = "Writes a make rule: the output depends on every file that was read.",
       .type = Type::path},
  };
}

std::vector<Option> common_report() {
  return {
      {.name = "--format",
       .arg = "human|json|jsonl|csv",
       .doc = "The form of the result on standard output, when no artifact goes there.",
       .fallback = "human",
       .choices = "human json jsonl csv"},
      {.name = "--events",
       .arg = "FILE|fd:N",
       .doc = "Writes events as JSON lines while running.",
       .type = Type::path},
      {.name = "--progress",
       .arg = "auto|bar|lines|none",
       .doc = "A bar on a terminal, a line now and then elsewhere.",
       .fallback = "auto",
       .choices = "auto bar lines none"},
      {.name = "--verbose",
       .letter = 'v',
       .doc = "Says more on standard error. Twice: still more.",
       .take = Take::nothing},
      {.name = "--quiet", .letter = 'q', .doc = "Only errors on standard error.", .take = Take::nothing},
      {.name = "--log-file", .arg = "FILE", .doc = "Appends the log to a file as well.", .type = Type::path},
      {.name = "--color",
       .arg = "auto|always|never",
       .doc = "Colours on standard error. NO_COLOR is honoured.",
       .fallback = "auto",
       .choices = "auto always never"},
      {.name = "--debug",
       .doc = "Says as much as possible, also about errors of the program itself.",
       .take = Take::nothing},
      {.name = "--info", .arg = "FILE", .doc = "Describes an artifact, then stops.", .type = Type::path},
      {.name = "--help", .letter = 'h', .doc = "Prints this text.", .take = Take::nothing},
      {.name = "--man", .doc = "Prints the manual page, for man -l -.", .take = Take::nothing},
      {.name = "--completion",
       .arg = "bash|zsh|fish",
       .doc = "Prints the completion script of a shell.",
       .choices = "bash zsh fish"},
      {.name = "--version",
       .doc = "Prints the version; with --format json also how it was built.",
       .take = Take::nothing},
  };
}

std::string names(const Option& o) { return o.letter ? str('-', o.letter, ',', o.name) : o.name; }

void check_value(const Option& o, const std::string& v) {
  const auto refuse = [&](std::string_view expected, const std::string& hint = {}) {
    usage_error(str(o.name, ": '", v, "' is not ", expected), hint);
  };
  if (!o.choices.empty()) {
    const auto known = split(o.choices, ' ');
    if (std::find(known.begin(), known.end(), v) != known.end()) return;
    const auto near = closest(v, known);
    refuse("one of " + join(known, ", "), near.empty() ? "" : "did you mean " + near.front() + "?");
  }
  if (o.type == Type::integer) {
    int64_t n = 0;
    const auto [end, error] = std::from_chars(v.data(), v.data() + v.size(), n);
    if (error != std::errc() || end != v.data() + v.size()) refuse("an integer");
  } else if (o.type == Type::number) {
    double n = 0;
    const auto [end, error] = std::from_chars(v.data(), v.data() + v.size(), n);
    if (error != std::errc() || end != v.data() + v.size()) refuse("a number");
  } else if (o.type == Type::duration) {
    if (parse_duration(v) < 0) refuse("a time", "write 90s, 10m, 1h30m or 2d");
  }
}

// `--explain KEY` with a space: KEY belongs to it when it begins with a section's name.
std::vector<std::string> join_explain(std::vector<std::string> args) {
  for (size_t i = 0; i + 1 < args.size(); ++i) {
    if (args[i] != "--explain") continue;
    std::string_view key = args[i + 1];
    if (key.starts_with('/')) key.remove_prefix(1);
    const std::string_view first = key.substr(0, key.find_first_of("./["));
    for (std::string_view s : known_sections()) {
      if (s != first) continue;
      args[i] += '=' + args[i + 1];
      args.erase(args.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      break;
    }
  }
  return args;
}

[[noreturn]] void unknown_option(const std::string& given, const std::vector<OptionGroup>& groups) {
  const std::string name = given.substr(0, given.find('='));
  std::vector<std::string> known;
  for (const OptionGroup& g : groups)
    for (const Option& o : g.options) {
      known.push_back(o.name);
      if (o.take == Take::boolean) known.push_back("--no-" + o.name.substr(2));
    }
  const auto near = closest(name, known);
  usage_error(str("unknown option '", name, "'"),
              near.empty() ? "--help lists the options" : "did you mean " + join(near, ", or ") + "?");
}

}  // namespace

std::vector<OptionGroup> all_options(const Tool& tool) {
  std::vector<OptionGroup> out;
  std::vector<Option> own = tool.options;
  if (tool.output != Output::none) {
    own.push_back(
        {.name = "--output",
         .letter = 'o',
         .arg = tool.output == Output::artifact ? "PATH|-" : "FILE|-",
         .doc = tool.output_doc.empty() ? "Where the result goes; - is standard output." : tool.output_doc,
         .type = Type::output});
  }
  out.push_back({"Options", own});
  out.push_back({"Configuration", common_config()});
  out.push_back({"Running", common_run()});
  out.push_back({"Reporting", common_report()});
  return out;
}

Arguments parse_arguments(const Tool& tool, const std::vector<std::string>& args) {
  const auto groups = all_options(tool);
  CLI::App app(tool.summary, tool.name);
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::pair<const Option*, CLI::Option*>> handles;
  for (const OptionGroup& g : groups) {
    for (const Option& o : g.options) {
      CLI::Option* h = nullptr;
      if (o.take == Take::boolean)
        h = app.add_flag(str(names(o), ",!--no-", o.name.substr(2)));
      else if (o.take == Take::nothing || o.take == Take::optional)
        h = app.add_flag(names(o));
      else
        h = app.add_option(names(o));
      if (o.take == Take::nothing) h->disable_flag_override();
      h->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      handles.emplace_back(&o, h);
    }
  }
  CLI::Option* rest = nullptr;
  if (!tool.positional.arg.empty()) {
    rest = app.add_option("positionals")
               ->expected(0, 1 << 20)
               ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    rest->allow_extra_args(false);  // otherwise "[a,b]" is taken apart
  }

  const auto end = std::find(args.begin(), args.end(), "--");  // what follows are no options
  try {
    std::vector<std::string> reversed = join_explain({args.begin(), end});
    std::reverse(reversed.begin(), reversed.end());
    app.parse(reversed);
  } catch (const CLI::ArgumentMismatch& e) {
    for (const auto& [o, h] : handles)
      if (std::string_view(e.what()).starts_with(o->name))
        usage_error(str(o->name, " needs a value: ", o->name, ' ', o->arg));
    usage_error(e.what());
  } catch (const CLI::ParseError& e) { usage_error(e.what()); }

  Arguments out;
  std::vector<std::string> positionals;
  if (rest) positionals = rest->results();
  for (const std::string& extra : app.remaining()) {
    if (extra.size() > 1 && extra[0] == '-') unknown_option(extra, groups);
    positionals.push_back(extra);
  }
  if (end != args.end()) positionals.insert(positionals.end(), end + 1, args.end());
  if (static_cast<int64_t>(positionals.size()) > tool.positional.max ||
      (tool.positional.arg.empty() && !positionals.empty()))
    usage_error(str("unexpected argument '",
                    positionals[tool.positional.arg.empty() ? 0 : static_cast<size_t>(tool.positional.max)],
                    "'"));
  for (const auto& [o, h] : handles) {
    if (h->count() == 0) continue;
    std::vector<std::string> values = h->results();
    if (o->take == Take::one && values.size() > 1)
      usage_error(
          str(o->name, " is given ", values.size(), " times ('", join(values, "', '"), "'), expected once"));
    if (o->take == Take::optional)
      for (std::string& v : values)
        if (v == "true") v = o->fallback;
    if (o->take == Take::one || o->take == Take::many || o->take == Take::optional)
      for (const std::string& v : values) check_value(*o, v);
    out.values[o->name] = std::move(values);
  }
  if (!tool.positional.choices.empty() && !positionals.empty()) {
    const auto known = split(tool.positional.choices, ' ');
    if (std::find(known.begin(), known.end(), positionals[0]) == known.end()) {
      const auto near = closest(positionals[0], known);
      usage_error(str("'", positionals[0], "' is not one of ", join(known, ", ")),
                  near.empty() ? "" : "did you mean " + near.front() + "?");
    }
  }
  out.positionals = std::move(positionals);
  return out;
}

}  // namespace dl::cli
