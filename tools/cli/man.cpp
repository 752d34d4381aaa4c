// The manual page in roff, from the same declaration as --help.
#include <algorithm>

#include "base/schema.h"
#include "base/str.h"
#include "cli/help.h"
#include "cli/options.h"

namespace dl::cli {

std::string roff(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((i == 0 || text[i - 1] == '\n') && (c == '.' || c == '\'')) out += "\\&";
    if (c == '-')
      out += "\\-";
    else if (c == '\\')
      out += "\\e";
    else
      out += c;
  }
  return out;
}

namespace {

std::string upper(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return s;
}

std::string term(const Option& o) {
  std::string out = ".TP\n";
  if (o.letter) out += str("\\fB\\-", o.letter, "\\fR, ");
  out += str("\\fB", roff(o.name), "\\fR");
  if (o.take == Take::boolean) out += str(", \\fB", roff("--no-" + o.name.substr(2)), "\\fR");
  if (o.take == Take::optional) out += str("[=\\fI", roff(o.arg), "\\fR]");
  if (o.take == Take::one || o.take == Take::many) out += str(" \\fI", roff(o.arg), "\\fR");
  return out + '\n';
}

}  // namespace

void add_keys(const json& schema, const std::string& prefix, std::string& out, int depth) {
  if (depth > 4) return;
  if (schema.contains("items")) add_keys(schema["items"], prefix + "[]", out, depth + 1);
  if (const auto any = schema.find("anyOf"); any != schema.end()) {
    for (const json& one : *any) {
      if (!one.contains("properties")) continue;
      const json type = one["properties"].value("type", json::object()).value("const", json());
      if (type.is_string()) {
        out += str(".TP\n\\fB", roff(prefix), "\\fR with type \\fB", roff(type.get<std::string>()), "\\fR\n");
        out += roff(one.value("description", std::string("An alternative."))) + '\n';
      }
      add_keys(one, prefix, out, depth + 1);
    }
  }
  if (!schema.contains("properties")) return;
  for (const auto& p : schema["properties"].items()) {
    if (p.value().contains("const")) continue;
    const std::string name = prefix.empty() ? p.key() : prefix + '.' + p.key();
    json plain = p.value();
    if (plain.contains("default") && plain["default"].is_object()) plain.erase("default");
    const std::string words = schema_words(plain);
    out += str(".TP\n\\fB", roff(name), "\\fR", words.empty() ? "" : " (" + roff(words) + ")", '\n');
    out += roff(p.value().value("description", std::string("See the members."))) + '\n';
    add_keys(p.value(), name, out, depth + 1);
  }
}

std::string man_page(const Tool& tool) {
  std::string out = str(".TH ", upper(roff(tool.name)), " 1 \"\" \"dl " DL_VERSION "\" \"dl manual\"\n");
  out += str(".SH NAME\n", roff(tool.name), " \\- ", roff(tool.summary), "\n.SH SYNOPSIS\n");
  for (const std::string& s : tool.synopsis) out += str(".B ", roff(tool.name), "\n", roff(s), "\n.br\n");
  out += ".SH DESCRIPTION\n";
  for (const std::string& line : split(tool.description, '\n'))
    out += line.empty() ? ".PP\n" : roff(line) + '\n';
  if (!tool.positional.arg.empty())
    out += str(".TP\n\\fI", roff(tool.positional.arg), "\\fR\n", roff(tool.positional.doc), '\n');
  out += ".SH OPTIONS\n";
  for (const OptionGroup& g : all_options(tool)) {
    if (g.options.empty()) continue;
    if (g.title != "Options") out += str(".SS ", g.title, '\n');
    for (const Option& o : g.options) {
      const std::string fallback =
          o.fallback.empty() || o.take == Take::optional ? "" : str(" Default: ", o.fallback, '.');
      out += term(o) + roff(o.doc + fallback) + '\n';
    }
  }
  if (!tool.sections.empty()) {
    out +=
        ".SH CONFIGURATION\nOne JSON document; keys that begin with \\(lq_\\(rq or \\(lqx\\-\\(rq are notes. "
        "See\n"
        ".BR dl\\-config (5).\n";
    for (const Section& s : tool.sections) {
      out += str(".SS ", roff(s.name), '\n', roff(s.doc), '\n');
      add_keys(s.schema(), s.name, out);
    }
  }
  out += ".SH EXIT STATUS\n";
  for (const ExitDoc& e : exit_codes())
    out += str(".TP\n.B ", e.code, "\n", roff(str(e.name, ": ", e.doc, '.')), '\n');
  if (!tool.files.empty()) out += ".SH FILES\n";
  for (const Example& f : tool.files) out += str(".TP\n.I ", roff(f.command), '\n', roff(f.doc), '\n');
  if (!tool.examples.empty()) out += ".SH EXAMPLES\n";
  for (const Example& e : tool.examples)
    out += str(".PP\n", roff(e.doc), "\n.PP\n.nf\n", roff(e.command), "\n.fi\n");
  out += ".SH SEE ALSO\n";
  std::vector<std::string> pages;
  for (const char* other : {"dl-prep", "dl-augment", "dl-train", "dl-eval", "dl-hpo", "dl-export"})
    if (tool.name != other) pages.push_back(str(".BR ", roff(other), " (1)"));
  pages.push_back(".BR dl\\-config (5)");
  pages.push_back(".BR dl\\-artifact (5)");
  return out + join(pages, ",\n") + '\n';
}

}  // namespace dl::cli
