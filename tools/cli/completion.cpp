// Completion scripts for bash, zsh and fish.
#include "base/str.h"
#include "cli/help.h"
#include "cli/options.h"

namespace dl::cli {
namespace {

std::vector<Option> flat(const Tool& tool) {
  std::vector<Option> out;
  for (const OptionGroup& g : all_options(tool))
    for (const Option& o : g.options) out.push_back(o);
  return out;
}

bool takes_value(const Option& o) { return o.take == Take::one || o.take == Take::many; }
bool takes_file(const Option& o) {
  return o.choices.empty() && (o.type == Type::input || o.type == Type::output || o.type == Type::path);
}

// Up to the first full stop, without what a shell would read.
std::string brief(const Option& o) {
  std::string out;
  for (char c : o.doc.substr(0, o.doc.find(". "))) {
    if (c == '[' || c == ']' || c == ':' || c == '\'' || c == '"' || c == '\\' || c == '$' || c == '`')
      continue;
    out += c;
  }
  if (out.ends_with('.')) out.pop_back();
  return out;
}

std::string bash(const Tool& tool) {
  std::string function = tool.name, words, cases;
  for (char& c : function)
    if (c == '-') c = '_';
  for (const Option& o : flat(tool)) {
    words += o.name + ' ';
    if (o.letter) words += str('-', o.letter, ' ');
    if (o.take == Take::boolean) words += "--no-" + o.name.substr(2) + ' ';
    if (!takes_value(o)) continue;
    const std::string pattern = o.letter ? str('-', o.letter, '|', o.name) : o.name;
    if (!o.choices.empty())
      cases += str("    ", pattern, ") COMPREPLY=($(compgen -W '", o.choices, "' -- \"$cur\")); return ;;\n");
    else if (takes_file(o))
      cases += str("    ", pattern, ") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
    else
      cases += str("    ", pattern, ") COMPREPLY=(); return ;;\n");
  }
  const std::string rest = tool.positional.choices.empty() ? "compgen -f -- \"$cur\""
                                                           : str("compgen -W '", tool.positional.choices,
                                                                 "' -- \"$cur\"; compgen -f -- \"$cur\"");
  return str("_", function,
             "() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n  case "
             "\"$prev\" in\n",
             cases, "  esac\n  case \"$cur\" in\n    -*) COMPREPLY=($(compgen -W '", trim(words),
             "' -- \"$cur\")) ;;\n    *) COMPREPLY=($(", rest, ")) ;;\n  esac\n}\ncomplete -o filenames -F _",
             function, ' ', tool.name, '\n');
}

std::string zsh(const Tool& tool) {
  std::string out = str("#compdef ", tool.name, "\n_arguments -s -S");
  for (const Option& o : flat(tool)) {
    std::string value;
    if (takes_value(o)) {
      value = ":value:";
      if (!o.choices.empty())
        value += '(' + o.choices + ')';
      else if (takes_file(o))
        value += "_files";
    }
    const std::string times = o.take == Take::many || o.letter == 'v' ? "\\*" : "";
    if (o.letter)
      out += str(" \\\n  ", times.empty() ? "" : "'*'", '-', o.letter, "'[", brief(o), ']', value, "'");
    out += str(" \\\n  ", times.empty() ? "" : "'*'", o.name, takes_value(o) ? "=" : "", "'[", brief(o), ']',
               value, "'");
    if (o.take == Take::boolean) out += str(" \\\n  --no-", o.name.substr(2), "'[not: ", brief(o), "]'");
  }
  if (!tool.positional.choices.empty()) out += str(" \\\n  '1:verb:(", tool.positional.choices, ")'");
  return out + " \\\n  '*:file:_files'\n";
}

std::string fish(const Tool& tool) {
  std::string out;
  for (const Option& o : flat(tool)) {
    out += str("complete -c ", tool.name, " -l ", o.name.substr(2));
    if (o.letter) out += str(" -s ", o.letter);
    if (takes_value(o)) out += takes_file(o) ? " -r -F" : " -x";
    if (takes_value(o) && !o.choices.empty()) out += str(" -a '", o.choices, "'");
    out += str(" -d '", brief(o), "'\n");
    if (o.take == Take::boolean)
      out += str("complete -c ", tool.name, " -l no-", o.name.substr(2), " -d 'not: ", brief(o), "'\n");
  }
  if (!tool.positional.choices.empty())
    out += str("complete -c ", tool.name, " -n __fish_is_first_arg -a '", tool.positional.choices, "'\n");
  return out;
}

}  // namespace

std::string completion_script(const Tool& tool, const std::string& shell) {
  return shell == "bash" ? bash(tool) : shell == "zsh" ? zsh(tool) : fish(tool);
}

}  // namespace dl::cli
