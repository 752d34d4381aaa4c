#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>

#include "base/clock.h"
#include "base/str.h"
#include "cli/machine.h"
#include "cli/record.h"
#include "cli/tool.h"
#include "io/artifact.h"
#include "io/hash.h"
#include "io/run_record.h"

namespace dl::cli {

void usage_error(const std::string& message, const std::string& hint) {
  throw Error(Exit::usage, {}, message, hint);
}

const Option& Invocation::option(const std::string& name) const {
  for (const Option& o : options_)
    if (o.name == name) return o;
  throw std::logic_error("no option is declared as " + name);
}

bool Invocation::has(const std::string& name) const {
  option(name);
  return values_.contains(name);
}

const std::vector<std::string>& Invocation::all(const std::string& name) const {
  static const std::vector<std::string> none;
  option(name);
  const auto it = values_.find(name);
  return it == values_.end() ? none : it->second;
}

std::string Invocation::text(const std::string& name) const {
  const auto& given = all(name);
  return given.empty() ? option(name).fallback : given.back();
}

bool Invocation::on(const std::string& name) const { return text(name) == "true"; }

int64_t Invocation::integer(const std::string& name) const {
  const std::string t = text(name);
  return t.empty() ? 0 : std::stoll(t);
}

double Invocation::number(const std::string& name) const {
  const std::string t = text(name);
  return t.empty() ? 0 : std::stod(t);
}

double Invocation::seconds(const std::string& name) const {
  const std::string t = text(name);
  return t.empty() ? std::numeric_limits<double>::infinity() : parse_duration(t);
}

bool Invocation::out_of_time() const { return steady_seconds() - started >= seconds("--max-time"); }

bool Invocation::takes_stdin() const {
  for (const Option& o : options_)
    if (o.type == Type::input)
      for (const std::string& v : all(o.name))
        if (v == "-") return true;
  if (tool.positional.type == Type::input)
    for (const std::string& p : positionals_)
      if (p == "-") return true;
  return false;
}

std::vector<std::string> Invocation::inputs(size_t skip) const {
  if (positionals_.size() > skip)
    return {positionals_.begin() + static_cast<std::ptrdiff_t>(skip), positionals_.end()};
  if (takes_stdin() || is_terminal(STDIN_FILENO)) usage_error(str("no ", tool.positional.arg, " is given"));
  return {"-"};
}

std::string Invocation::input(const std::string& name) const {
  if (has(name)) return text(name);
  if (takes_stdin() || is_terminal(STDIN_FILENO))
    usage_error(str("no ", name, ' ', option(name).arg, " is given"));
  return "-";
}

std::string Invocation::output() {
  std::string to = text("--output");
  if (tool.output == Output::artifact) {
    const bool terminal = is_terminal(STDOUT_FILENO);
    if (to.empty() && terminal)
      usage_error("no output is given: -o PATH is required when standard output is a terminal");
    if (to.empty()) {
      if (stdout_taken_)
        usage_error("no output is given: -o PATH is required, standard output is taken already");
      to = "-";
    }
    if (to == "-" && terminal)
      usage_error("a binary artifact is not written to a terminal", "name a file with -o, or redirect");
  }
  if (to == "-") stdout_taken_ = true;
  return to;
}

void Invocation::emit(const json& record, const std::string& human) const {
  if (!stdout_taken_) write_stdout(formatted(record, human, text("--format")));
}

std::string Invocation::recipe_hash(const json& what) const {
  const json recipe{{"tool", tool.name}, {"version", DL_VERSION}, {"seed", seed}, {"what", what}};
  return sha256_hex(recipe.dump(-1, ' ', false, json::error_handler_t::replace));
}

bool Invocation::up_to_date(const std::string& path, const std::string& recipe) {
  struct stat s {};
  if (!on("--if-changed") || path.empty() || path == "-" || ::stat(path.c_str(), &s) != 0 ||
      !S_ISREG(s.st_mode))
    return false;
  try {
    const ArtifactReader old(path, "", tmp);
    if (!old.has_attribute("recipe_hash") || old.text("recipe_hash") != recipe) return false;
  } catch (const Error& e) {
    log.verbose(str(path, " is made again: ", e.what()));
    return false;
  }
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) log.verbose(str(path, ": cannot set its time"));
  log.info(str(path, " is up to date"));
  return true;
}

void Invocation::write_run_record(const std::string& output, const json& more) const {
  RunRecord r;
  r.argv = argv_;
  r.version = DL_VERSION;
  r.started = wall_start_;
  r.seconds = steady_seconds() - started;
  r.more = json{{"device", device}, {"threads", threads}};
  r.more.update(more);
  dl::write_run_record(output, r);
}

}  // namespace dl::cli
