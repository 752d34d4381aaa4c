// The life of one run: options, config, checks, the tool's function, and every failure as lines and an exit
// code.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "base/clock.h"
#include "base/schema.h"
#include "base/str.h"
#include "cli/depfile.h"
#include "cli/help.h"
#include "cli/info.h"
#include "cli/machine.h"
#include "cli/options.h"
#include "cli/schema.h"
#include "cli/tool.h"
#include "train/device.h"

namespace dl::cli {

class Runner {
 public:
  explicit Runner(const Tool& tool) : tool_(tool), in_(tool) {
    in_.log.tool = tool.name;
    in_.started = steady_seconds();
    in_.wall_start_ =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  int run(const std::vector<std::string>& args) {
    try {
      const int code = stages(args);
      if (code == 0) write_dependencies();
      return code;
    } catch (const Error& e) { return report(e); } catch (const std::bad_alloc&) {
      in_.log.error("out of memory");
      return static_cast<int>(Exit::memory);
    } catch (const std::filesystem::filesystem_error& e) {
      in_.log.error(e.what());
      return static_cast<int>(Exit::io);
    } catch (const std::exception& e) {
      in_.log.error(str("internal error: ", e.what()));
      in_.log.plain_error(
          "  this is a bug of the program; please report it with the command line and the config");
      return static_cast<int>(Exit::internal);
    }
  }

 private:
  int stages(const std::vector<std::string>& args) {
    in_.argv_.push_back(tool_.name);
    in_.argv_.insert(in_.argv_.end(), args.begin(), args.end());
    for (const OptionGroup& g : all_options(tool_))
      in_.options_.insert(in_.options_.end(), g.options.begin(), g.options.end());
    Arguments parsed = parse_arguments(tool_, args);
    in_.values_ = std::move(parsed.values);
    in_.positionals_ = std::move(parsed.positionals);
    if (describe()) return 0;
    set_up_reporting();
    check_streams();
    load_config();
    if (show_config()) return 0;
    set_up_machine();
    if (in_.has("--info")) {
      show_info(in_.text("--info"));
      return 0;
    }
    if (tool_.graceful) install_signals();
    return tool_.run(in_);
  }

  // What needs no config: help and the like.
  bool describe() {
    if (in_.has("--help")) return print(help_text(tool_));
    if (in_.has("--version")) {
      const std::string format = in_.text("--format");
      return print(format == "human" ? version_text(tool_)
                                     : version_record(tool_).dump(format == "json" ? 2 : -1) + '\n');
    }
    if (in_.has("--man")) return print(man_page(tool_));
    if (in_.has("--completion")) return print(completion_script(tool_, in_.text("--completion")));
    if (in_.has("--schema")) return print(published_schema(tool_).dump(2) + '\n');
    if (in_.has("--init")) return print(find_template(in_.text("--init")));
    return false;
  }

  static bool print(const std::string& text) {
    write_stdout(text);
    return true;
  }

  std::string find_template(const std::string& name) const {
    std::vector<std::string> known;
    for (const Template& t : tool_.templates) {
      if (name.empty() || name == t.name) return t.text;
      known.push_back(t.name);
    }
    if (known.empty()) usage_error("this tool has no templates: it needs no configuration to start from");
    usage_error(str("--init: no template is called '", name, "'"), "templates: " + join(known, ", "));
  }

  void set_up_reporting() {
    Log& log = in_.log;
    const bool terminal = is_terminal(STDERR_FILENO);
    const size_t more = in_.all("--verbose").size();
    log.level = in_.has("--quiet")   ? Level::error
                : in_.has("--debug") ? Level::debug
                : more > 1           ? Level::debug
                : more == 1          ? Level::verbose
                                     : Level::info;
    const std::string color = in_.text("--color");
    const char* none = std::getenv("NO_COLOR");
    log.color = color == "always" || (color == "auto" && terminal && !(none && *none));
    if (in_.has("--log-file")) log.open_file(in_.text("--log-file"));
    const std::string progress = in_.text("--progress");
    in_.progress = progress == "bar"     ? ProgressMode::bar
                   : progress == "lines" ? ProgressMode::lines
                   : progress == "none"  ? ProgressMode::none
                   : terminal            ? ProgressMode::bar
                                         : ProgressMode::lines;
    if (in_.has("--events")) in_.events.open(in_.text("--events"), in_.started);
  }

  // At most one input and one output may be a standard stream.
  void check_streams() {
    std::vector<std::string> in, out;
    for (const Option& o : in_.options_) {
      for (const std::string& v : in_.all(o.name)) {
        if (v == "-" && o.type == Type::input) in.push_back(o.name);
        if (v == "-" && o.type == Type::output) out.push_back(o.name);
      }
    }
    if (tool_.positional.type == Type::input)
      for (const std::string& p : in_.positionals_)
        if (p == "-") in.push_back("an input");
    if (in.size() > 1)
      usage_error(str("standard input is asked for ", in.size(), " times (", join(in, ", "),
                      "), at most one may be -"));
    if (out.size() > 1)
      usage_error(str("standard output is asked for ", out.size(), " times (", join(out, ", "),
                      "), at most one may be -"));
    in_.stdout_taken_ = !out.empty();
    const bool named = in_.values_.contains("--output") && in_.text("--output") != "-";
    if (in_.has("--depfile") && !named) usage_error("--depfile needs an output file: -o PATH");
  }

  void load_config() {
    std::vector<ConfigSource> sources;
    size_t n = 0;
    for (const std::string& c : in_.all("--config")) {
      ++n;
      if (c == "-")
        sources.push_back(ConfigSource::from_text("<stdin>", read_text_file("/dev/stdin")));
      else if (trim(c).starts_with('{'))
        sources.push_back(ConfigSource::from_text(str("-c #", n), c));
      else
        sources.push_back(ConfigSource::from_file(c));
    }
    n = 0;
    for (const std::string& s : in_.all("--set"))
      sources.push_back(ConfigSource::from_set(str("flag -s #", ++n), s));
    for (const Option& o : tool_.options)
      if (!o.config.empty() && in_.has(o.name))
        sources.push_back(ConfigSource::from_flag(o.name, o.config, flag_value(o)));
    const json schema = config_schema(tool_);
    in_.config = Config::load(sources, schema);
    const json& root = in_.config.root();
    check_keys(root, schema, "");
    for (const Section& s : tool_.sections)
      if (s.check && root.contains(s.name)) s.check(root[s.name], '/' + s.name);
    for (std::string_view name : known_sections()) {
      const bool used = std::any_of(tool_.sections.begin(), tool_.sections.end(),
                                    [&](const Section& s) { return s.name == name; });
      if (!used && root.contains(std::string(name)))
        in_.log.verbose(str("the section '", name, "' is not used by this tool"));
    }
  }

  json flag_value(const Option& o) const {
    if (o.take == Take::boolean || o.take == Take::nothing) return in_.on(o.name);
    if (o.type == Type::integer) return in_.integer(o.name);
    if (o.type == Type::number) return in_.number(o.name);
    if (o.take == Take::many) return in_.all(o.name);
    return in_.text(o.name);
  }

  bool show_config() {
    if (in_.has("--explain")) {
      std::string out;
      for (const std::string& line : in_.config.explain(in_.text("--explain"))) out += line + '\n';
      return print(out);
    }
    if (!in_.has("--print-config")) return false;
    json shown = in_.config.root();
    if (in_.text("--print-config") == "full") {
      shown = in_.config.full();
      for (const Section& s : tool_.sections)
        if (s.expand && shown.contains(s.name)) shown[s.name] = s.expand(shown[s.name], '/' + s.name);
    }
    return print(shown.dump(2, ' ', false, json::error_handler_t::replace) + '\n');
  }

  void set_up_machine() {
    std::string how;
    in_.device = resolve_device(in_.text("--device"), how);
    if (!how.empty()) in_.log.info(str("device: ", how));
    const int64_t threads = in_.has("--threads") ? in_.integer("--threads") : usable_cores();
    if (threads < 1 || threads > 256)
      usage_error(str("--threads: ", threads, " is out of range, expected 1 to 256"));
    in_.threads = static_cast<int>(threads);
    const int64_t seed = in_.integer("--seed");
    if (seed < 0) usage_error(str("--seed: ", seed, " is negative, expected 0 or more"));
    in_.seed = static_cast<uint64_t>(seed);
    const char* tmp = std::getenv("TMPDIR");
    in_.tmp = in_.has("--tmp") ? in_.text("--tmp") : tmp && *tmp ? tmp : "/tmp";
  }

  void show_info(const std::string& path) {
    if (tool_.info) return tool_.info(in_, path);
    const json record = artifact_record(path, in_.tmp);
    in_.emit(record, artifact_text(record));
  }

  void write_dependencies() {
    if (!in_.values_.contains("--depfile")) return;
    std::vector<std::string> files = in_.config.files();
    for (const Option& o : in_.options_)
      if (o.type == Type::input && o.name != "--config")
        files.insert(files.end(), in_.all(o.name).begin(), in_.all(o.name).end());
    if (tool_.positional.type == Type::input)
      files.insert(files.end(), in_.positionals_.begin(), in_.positionals_.end());
    files.insert(files.end(), in_.reads_.begin(), in_.reads_.end());
    write_depfile(in_.text("--depfile"), in_.text("--output"), files);
  }

  int report(const Error& e) {
    if (e.code == Exit::broken_pipe) return static_cast<int>(e.code);
    std::string message = e.what();
    std::string at = e.at;
    if (!e.pointer.empty()) {
      if (at.empty()) at = in_.config.where(e.pointer, e.about_key);
      if (message.find(e.pointer) == std::string::npos)
        message = str(dotted(e.pointer, in_.config.root()), ": ", message);
    }
    in_.log.error(message);
    const auto more = [&](const std::string& label, const std::string& text) {
      if (!text.empty()) in_.log.plain_error(str("  ", label, ": ", text));
    };
    more("at", at);
    more("hint", e.hint);
    if (e.code == Exit::usage) {
      for (const std::string& s : tool_.synopsis) more("usage", str(tool_.name, ' ', s));
    }
    return static_cast<int>(e.code);
  }

  const Tool& tool_;
  Invocation in_;
};

int main(const Tool& tool, int argc, char** argv) {
  std::signal(SIGPIPE,
              SIG_IGN);  // a reader that went away is an error code here: files are cleaned up, exit 141
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO;
       ++fd)  // a closed standard stream must not become a data file's number
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) < 0) return static_cast<int>(Exit::io);
  return Runner(tool).run({argv + 1, argv + argc});
}

}  // namespace dl::cli
