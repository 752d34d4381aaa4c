#pragma once
// What the six tools share. A tool is one declaration and one function; help, man page, completion, JSON
// Schema, config layers, streams, log, events, progress, signals and exit codes come from here. A complete
// tool:
//
//   #include "cli/tool.h"
//   #include "data/augment_config.h"
//   using namespace dl;
//
//   static int run(cli::Invocation& in) {
//     const auto config = in.get<std::vector<Transform>>("augment");  // checked; errors carry file:line:column
//     const std::string from = in.inputs().front();                   // a path, or "-" (given or implied)
//     const std::string to = in.output();                             // "-" into a pipe, never on a terminal
//     if (in.on("--dry-run")) return 0;
//     in.log.info(str("augmenting ", from, " with ", in.threads, " threads"));
//     cli::Progress progress(in.log, in.progress, copies, "records");
//     for (int64_t i = 0; i < copies; ++i) {
//       if (int code = cli::interrupted()) return code;  // 130 or 143 after SIGINT or SIGTERM
//       progress.update(i + 1);
//       in.events.emit("step", {{"step", i}});
//     }
//     progress.finish();
//     in.emit({{"records", copies}}, str(copies, " records"));  // --format, on stdout when no artifact is there
//     return 0;
//   }
//
//   int main(int argc, char** argv) {
//     return cli::main(
//         {.name = "dl-augment",
//          .summary = "writes an augmented copy of a data set",
//          .synopsis = {"[-c CFG] [-s K=V]... DATA.h5|- -o DATA.h5|-"},
//          .sections = {cli::section<std::vector<Transform>>("augment", "The transforms, applied in order.")},
//          .options = {{.name = "--copies", .arg = "N", .doc = "Copies of each record.", .fallback = "1",
//                       .type = cli::Type::integer, .config = "/augment/copies"}},
//          .positional = {.arg = "DATA.h5|-", .doc = "The data set.", .type = cli::Type::input, .max = 1},
//          .output = cli::Output::artifact,
//          .examples = {{"dl-augment -c aug.json train.h5 -o more.h5", "Twice the data."}},
//          .run = run},
//         argc, argv);
//   }
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/fields.h"
#include "cli/events.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace dl::cli {

enum class Take {
  one,       // --x VALUE; giving it twice is an error
  many,      // --x VALUE, repeatable
  optional,  // --x or --x=VALUE
  nothing,   // --x
  boolean,   // --x or --no-x
};

enum class Type {
  text,
  integer,
  number,
  duration,  // 90, 90s, 1h30m, 2d
  input,     // a file to read, or "-": at most one of all inputs may be "-"
  output,    // a file to write, or "-": at most one of all outputs may be "-"
  path,      // any other path, completed by the shell
};

// One option, declared once. `name` has its dashes. With `choices` ("a b c") any other value is a usage
// error.
struct Option {
  std::string name{};
  char letter = 0;
  std::string arg{};       // "FILE"; shown in help
  std::string doc{};       // full sentences
  std::string fallback{};  // the default: used by the accessors, shown in help
  Take take = Take::one;
  Type type = Type::text;
  std::string choices{};
  std::string config{};  // a dedicated flag: the JSON pointer it sets ("/train/epochs")
};

struct Positional {
  std::string arg{};  // "INPUT..."; empty: none allowed
  std::string doc{};
  Type type = Type::text;
  int64_t max = 1;        // most values; the fewest is for the tool to check, see Invocation::inputs
  std::string choices{};  // for the first one, as a verb
};

// A top-level section of the config that the tool reads.
struct Section {
  std::string name{};
  std::string doc{};
  json (*schema)();
  void (*check)(const json& value, const std::string& pointer);
  json (*expand)(const json& value,
                 const std::string& pointer) = nullptr;  // what --print-config=full shows instead
};

inline constexpr Bounds kNoBounds{-std::numeric_limits<double>::infinity(),
                                  std::numeric_limits<double>::infinity()};

// The section whose value is a T: a struct with a field list, or a vector of Typed<...>.
template <class T>
Section section(std::string name, std::string doc) {
  return {std::move(name), std::move(doc), [] { return FieldType<T>::schema(kNoBounds); },
          [](const json& value, const std::string& at) {
            T t{};
            FieldType<T>::parse(t, value, at, kNoBounds);
          },
          nullptr};
}

enum class Output {
  artifact,  // -o is a binary file, required on a terminal, implied "-" into a pipe
  text,      // -o is an optional text file
  none,      // no -o
};

struct Example {
  std::string command{}, doc{};
};

// A first config for --init=NAME; the first one is the default. Comments are welcome.
struct Template {
  std::string name{}, doc{}, text{};
};

class Invocation;

struct Tool {
  std::string name{};     // "dl-train"
  std::string summary{};  // "trains a network": after "dl-train - "
  std::vector<std::string> synopsis{};
  std::string description{};  // paragraphs separated by empty lines
  std::vector<Section> sections{};
  std::vector<Option> options{};
  Positional positional{};
  Output output = Output::artifact;
  std::string output_doc{};  // what -o is
  std::vector<Example> examples{};
  std::vector<Template> templates{};
  std::vector<Example> files{};  // for the man page: path and what it is
  bool graceful = false;  // SIGINT and SIGTERM set a flag (see signals.h) instead of ending the process
  int (*run)(Invocation&) = nullptr;
  void (*info)(Invocation&,
               const std::string& path) = nullptr;  // --info FILE; null: the artifact's own description
};

// One run of a tool: its options, its resolved config, and where to report.
class Invocation {
 public:
  const Tool& tool;
  Config config;
  Log log;
  Events events;

  // Options by their long name. An option that was not given has its fallback.
  bool has(const std::string& name) const;  // given on the command line
  bool on(const std::string& name) const;   // a switch or boolean
  std::string text(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  double number(const std::string& name) const;
  double seconds(const std::string& name) const;  // infinity when not given and without fallback
  const std::vector<std::string>& all(const std::string& name) const;
  const std::vector<std::string>& positionals() const { return positionals_; }

  // The inputs among the positionals (after the first `skip`); "-" when none was given and stdin is not a
  // terminal, else a usage error. The same for an option.
  std::vector<std::string> inputs(size_t skip = 0) const;
  std::string input(const std::string& option) const;
  // Where the artifact goes; see Output. Call it only when there is going to be one. "" for Output::text when
  // not given.
  std::string output();

  // A config section as its struct; absent sections have their defaults. Errors carry a pointer into the
  // config.
  template <class T>
  T get(const std::string& name) const {
    T t{};
    if (HasFields<T> || config.root().contains(name))
      FieldType<T>::parse(t, config.section(name), "/" + name, kNoBounds);
    return t;
  }

  // Writes the result to stdout in the --format asked for, unless an artifact goes there. `human` may have
  // several lines. Numbers that are not finite become null and are listed under "nonfinite".
  void emit(const json& record, const std::string& human) const;
  // A file that this run read, for --depfile. Config files and the inputs given are known already.
  void reads(const std::string& path) { reads_.push_back(path); }
  // Digest of what an artifact is made from: tool, version, seed and `what` (config, options that matter,
  // content hashes of the inputs). Equal recipes give equal bytes.
  std::string recipe_hash(const json& what) const;
  // For --if-changed: true (said in the log, the file touched) when it was asked for and `path` has this
  // recipe.
  bool up_to_date(const std::string& path, const std::string& recipe);
  // Writes OUT.run.json: command line, version, times and `more`.
  void write_run_record(const std::string& output, const json& more = json::object()) const;

  uint64_t seed = 0;
  int threads = 1;
  std::string device;  // resolved: "cpu"
  std::string tmp;     // where to spool
  ProgressMode progress = ProgressMode::none;
  double started = 0;  // of the monotonic clock, seconds
  // True once --max-time is over.
  bool out_of_time() const;

 private:
  friend class Runner;
  bool takes_stdin() const;  // an input or the config is "-"
  explicit Invocation(const Tool& t) : tool(t) {}
  const Option& option(const std::string& name) const;
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> positionals_, reads_, argv_;
  bool stdout_taken_ = false;
  double wall_start_ = 0;
  std::vector<Option> options_;  // all: common and the tool's own
};

// Runs the tool and returns the exit code; every exception becomes lines on stderr and a code.
int main(const Tool& tool, int argc, char** argv);

// A mistake on the command line: exit 2.
[[noreturn]] void usage_error(const std::string& message, const std::string& hint = {});

}  // namespace dl::cli
