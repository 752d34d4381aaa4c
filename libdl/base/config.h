#pragma once
// The resolved configuration of a run, put together from layers that remember where each value came from.
//
// Precedence, weakest first: built-in default < files a file "extends" < the file itself < the next -c < -s
// in order < dedicated flags. Objects merge key by key; arrays and scalars replace. When the "type" of an
// object changes, the whole object is replaced (the momentum of an sgd does not survive into an adam), except
// for members given on the command line: those stay and are checked against the new type. An object without
// "type" merges into a bare variant name as if that were {"type": name}.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/json_text.h"

namespace dl {

// A value's origin: a position in a text (line > 0), or a name alone ("flag -s #2", "--epochs").
struct Place {
  std::string file;
  int line = 0, column = 0;
  DL_API std::string text() const;  // "net.json:41:17", or the name; empty when unknown
};

// One layer for Config::load, in the order in which they apply.
struct DL_API ConfigSource {
  enum class Kind { file, text, set, flag } kind = Kind::file;
  std::string name;     // path, or what messages call it
  std::string text;     // JSON text, or KEY=VALUE
  std::string pointer;  // flag: where the value goes
  json value;           // flag

  static ConfigSource from_file(std::string path);
  static ConfigSource from_text(std::string name,
                                std::string text);  // relative "extends" start at the working directory
  static ConfigSource from_set(std::string name, std::string key_value);  // "flag -s #1", "train.lr=0.1"
  static ConfigSource from_flag(std::string name, std::string pointer, json value);
};

// The trail of one value in the merged tree, children in the order of the JSON value's own.
struct ConfigTrail {
  struct Past {
    json value;
    Place place;
  };
  Place place, key;
  bool command_line = false;
  std::vector<Past> past;  // what was overridden, newest first
  std::vector<ConfigTrail> children;
};

class DL_API Config {
 public:
  // `schema` describes the whole document: {"properties": {"train": {...}, ...}}. It gives the defaults shown
  // by explain() and full(), and decides about `?key=value`. Throws Error(Exit::config).
  static Config load(std::span<const ConfigSource> sources, const json& schema = json::object());

  const json& root() const { return root_; }           // what was set, merged
  const json& section(const std::string& name) const;  // empty object when absent
  json full() const;                                   // root() with the defaults of the schema
  // Where the value at a pointer (or the key, for `of_key`) was written; else its nearest ancestor with a
  // place.
  std::string where(std::string_view pointer, bool of_key = false) const;
  const std::vector<std::string>& files() const { return files_; }  // every file read, in order

  // One line for each leaf at and below `key` (dotted or a pointer; empty: everything):
  //   train.lr = 0.01  (flag -s #2; was 0.1 from base.json:14; default 0.001)
  // Throws when neither the schema nor the config has the key.
  std::vector<std::string> explain(std::string_view key) const;

  // Merges one more layer on top.
  void apply(const ConfigSource& source);

 private:
  void load_file(const std::string& path, std::vector<std::string>& chain);
  void load_text(const std::string& text, const std::string& name, const std::string& folder,
                 std::vector<std::string>& chain);
  void apply_set(const ConfigSource& source);

  json root_ = json::object(), schema_;
  ConfigTrail trail_;
  std::vector<std::string> files_;
};

// The JSON pointer of a key written as `train.optimizer.lr`, `model.layers[-1].units` or
// `/train/optimizer/lr`. `root` resolves negative indexes and tells whether an index fits. Throws
// Error(Exit::config) on bad syntax; `where` is the `at` of that error.
DL_API std::string key_pointer(std::string_view key, const json& root, const std::string& where = {});

}  // namespace dl
