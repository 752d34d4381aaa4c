#include "base/config.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "base/schema.h"
#include "base/str.h"

using namespace dl;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "dl-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
};

json schema() {
  return json::parse(R"({"type": "object", "properties": {
    "train": {"type": "object", "properties": {
      "lr": {"type": "number", "default": 0.001},
      "epochs": {"type": "integer", "default": 10},
      "metrics": {"type": "array", "items": {"type": "string"}, "default": ["accuracy"]},
      "optimizer": {"anyOf": [{"enum": ["sgd", "adam"]},
        {"type": "object", "properties": {"type": {"const": "sgd"}, "lr": {"type": "number", "default": 0.1},
                                          "momentum": {"type": "number", "default": 0}}},
        {"type": "object", "properties": {"type": {"const": "adam"}, "lr": {"type": "number", "default": 0.01},
                                          "beta1": {"type": "number", "default": 0.9}}}],
        "default": {"type": "sgd", "lr": 0.1, "momentum": 0}}}}}})");
}

Config from_text(const std::string& text, const std::vector<std::string>& sets = {}) {
  std::vector<ConfigSource> sources{ConfigSource::from_text("net.json", text)};
  for (size_t i = 0; i < sets.size(); ++i)
    sources.push_back(ConfigSource::from_set(str("flag -s #", i + 1), sets[i]));
  return Config::load(sources, schema());
}

// "<at> <message> <hint>" of the error that `text` gives.
std::string complaint(const std::string& text) {
  try {
    parse_json(text, "f");
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    return str(e.at, ' ', e.what(), " | ", e.hint);
  }
  return "no error";
}

std::string set_complaint(const std::string& set) {
  try {
    from_text(R"({"layers": [{"units": 1}, "relu"], "train": {"lr": 1}})", {set});
  } catch (const Error& e) { return str(e.at, ' ', e.what()); }
  return "no error";
}

}  // namespace

TEST_CASE("every key and value has its line and column") {
  const Config c = from_text(
      "{\n  // note\n  \"train\": {\"lr\" : /* x */ 0.1,\n    \"metrics\": [\"a\", {\"\u00e4\": \"\\\"\"}, "
      "-1e3,\n[]]}}");
  CHECK(c.where("/train") == "net.json:3:12");
  CHECK(c.where("/train", true) == "net.json:3:3");
  CHECK(c.where("/train/lr") == "net.json:3:28");
  CHECK(c.where("/train/lr", true) == "net.json:3:13");
  CHECK(c.where("/train/metrics/0") == "net.json:4:17");
  CHECK(c.where("/train/metrics/1/\u00e4") == "net.json:4:28");
  CHECK(c.where("/train/metrics/2") == "net.json:4:35");
  CHECK(c.where("/train/metrics/3") == "net.json:5:1");
  CHECK(c.where("/train/optimizer/momentum") == "net.json:3:12");
  CHECK(c.where("/nothing") == "net.json:1:1");
}

namespace {

// The byte at a line and column of a text whose characters are all single bytes.
char at_place(const std::string& text, int line, int column) {
  size_t i = 0;
  for (int l = 1; l < line; ++l) i = text.find('\n', i) + 1;
  return text.at(i + static_cast<size_t>(column) - 1);
}

void check_marks(const std::string& text, const json& value, const Mark& mark) {
  const char first = at_place(text, mark.line, mark.column);
  const bool fits = value.is_object()    ? first == '{'
                    : value.is_array()   ? first == '['
                    : value.is_string()  ? first == '"'
                    : value.is_boolean() ? first == 't' || first == 'f'
                    : value.is_null()    ? first == 'n'
                                         : first == '-' || (first >= '0' && first <= '9');
  if (!fits) FAIL(text);
  if (mark.key_line && at_place(text, mark.key_line, mark.key_column) != '"') FAIL(text);
  if (!value.is_structured()) return;
  REQUIRE(value.size() == mark.children.size());
  size_t i = 0;
  for (const json& child : value) check_marks(text, child, mark.children[i++]);
}

}  // namespace

TEST_CASE("whatever the text, it gives a value with every position right, or an error with a place") {
  const std::string seed =
      "{// a\n \"a\": [1, -2.5e3, true, null], /* b */ \"b\\\"\": {\"c\": \"x\\u0041\", \"d\": {}},\n\"e\": "
      "[[], {\"f\": false}]}";
  const std::string letters = "{}[]\",:/*\\ \n0eE+-.truefalsn#";
  Random r(1, stream_id("config_test"));
  int read = 0, refused = 0;
  for (int n = 0; n < 20000; ++n) {
    std::string text = seed;
    for (int64_t k = r.below(3); k >= 0; --k) {
      const auto i = static_cast<size_t>(r.below(static_cast<int64_t>(text.size())));
      const char c = letters[static_cast<size_t>(r.below(static_cast<int64_t>(letters.size())))];
      switch (r.below(4)) {
        case 0:
          text[i] = c;
          break;
        case 1:
          text.insert(i, 1, c);
          break;
        case 2:
          text.erase(i, 1);
          break;
        default:
          text.insert(i, text.substr(static_cast<size_t>(r.below(static_cast<int64_t>(text.size()))), 5));
          break;
      }
    }
    try {
      const Document d = parse_json(text, "f");
      check_marks(text, d.value, d.mark);
      ++read;
    } catch (const Error& e) {
      if (!e.at.starts_with("f:")) FAIL(text);
      ++refused;
    }
  }
  CHECK(read > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("a byte order mark moves no position") {
  CHECK(parse_json("\xef\xbb\xbf {\"a\": 1}", "f").mark.children[0].column == 8);
}

TEST_CASE("a syntax error names the place, what stands there and what was expected") {
  CHECK(complaint("{\"a\": 1,}") ==
        "f:1:9 expected a key in double quotes, got '}' | JSON allows no comma after the last item");
  CHECK(complaint("[1, 2,\n]") ==
        "f:2:1 expected a value, got ']' | JSON allows no comma after the last item");
  CHECK(complaint("{\"a\": 1 \"b\": 2}") ==
        "f:1:9 expected ',' or '}', got '\"b\"' | is a comma missing before it?");
  CHECK(complaint("{\"a\" 1}") == "f:1:6 expected ':' after the key, got '1' | ");
  CHECK(complaint("{a: 1}") == "f:1:2 expected a key in double quotes or '}', got 'a' | write \"a\"");
  CHECK(complaint("{\"a\": }") == "f:1:7 expected a value, got '}' | ");
  CHECK(complaint("{\"a\": [1 2]}") == "f:1:10 expected ',' or ']', got '2' | ");
  CHECK(complaint("{\"a\": 1") == "f:1:8 expected ',' or '}', got the end of the text | ");
  CHECK(complaint("") == "f:1:1 expected a JSON value, got the end of the text | ");
  CHECK(complaint("{} {}") ==
        "f:1:4 expected the end of the document, got '{' | one file holds one JSON value");
  CHECK(complaint("{\"a\": relu}") ==
        "f:1:7 expected a value, got 'relu' | a string stands in double quotes: \"relu\"");
  CHECK(complaint("{'a': 1}") ==
        "f:1:2 expected a key in double quotes or '}', got ''' | JSON strings stand in double quotes");
  CHECK(complaint("{\"a\": True}") ==
        "f:1:7 expected a value, got 'True' | JSON writes true, false and null");
  CHECK(complaint("{\"a\": 1 # x\n}") == "f:1:9 expected ',' or '}', got '#' | comments are // and /* */");
  CHECK(complaint("{\"a\": /* x\n}") == "f:1:7 this comment is not closed, expected '*/' | ");
  CHECK(complaint("{\"a\": \"x\n}") == "f:1:7 this string is not closed, expected '\"' on the same line | ");
  CHECK(complaint("{\"a\": \"x\\q\"}")
            .starts_with("f:1:10 invalid string: forbidden character after backslash"));
  CHECK(complaint("{\"a\": \"\xff\"}").find("UTF-8") != std::string::npos);
}

TEST_CASE("NaN, Infinity and numbers beyond double are refused") {
  for (const char* word : {"NaN", "Infinity", "-Infinity", "nan", "inf"})
    CHECK(complaint(str("{\"a\": ", word, "}")).find("JSON has no NaN") != std::string::npos);
  CHECK(complaint("{\"a\": 1e999}") ==
        "f:1:7 expected a value, got '1e999' | 1e999 is beyond the range of a double");
}

TEST_CASE("a duplicate key names both places") {
  CHECK(complaint("{\"a\": 1,\n \"b\": {\"a\": 2},\n \"a\": 3}") ==
        "f:3:2 key 'a' stands twice in this object | the first is at f:1:2; keep one of them");
}

TEST_CASE("nesting and size are bounded") {
  CHECK(complaint(std::string(100000, '[')).find("more than 200 levels") != std::string::npos);
  CHECK(complaint(std::string(kMaxJsonBytes + 1, ' ')).find("expected at most 4.0 MiB") != std::string::npos);
  CHECK(parse_json(std::string(200, '[') + std::string(200, ']'), "f").value.is_array());
}

TEST_CASE("the weakest to the strongest: default, extends, -c, -s, flag") {
  const Folder f;
  f.write("base/deep.json",
          R"({"train": {"a": "deep", "b": "deep", "c": "deep", "d": "deep", "e": "deep"}})");
  f.write("base/base.json",
          R"({"extends": "deep.json", "train": {"b": "base", "c": "base", "d": "base", "e": "base"}})");
  const std::string one = f.write(
      "one.json", R"({"extends": ["base/base.json"], "train": {"c": "one", "d": "one", "e": "one"}})");
  const std::string two = f.write("two.json", R"({"train": {"d": "two", "e": "two", "g": "two"}})");
  const std::vector<ConfigSource> all{
      ConfigSource::from_file(one),
      ConfigSource::from_file(two),
      ConfigSource::from_set("flag -s #1", "train.e=first"),
      ConfigSource::from_set("flag -s #2", "train.e=second"),
      ConfigSource::from_set("flag -s #3", "train.epochs=3"),
      ConfigSource::from_flag("--epochs", "/train/epochs", 4),
  };
  const Config c = Config::load(all, schema());
  CHECK(
      c.root() ==
      json::parse(
          R"({"train": {"a": "deep", "b": "base", "c": "one", "d": "two", "e": "second", "g": "two", "epochs": 4}})"));
  CHECK(c.full()["train"]["lr"] == 0.001);
  CHECK(c.where("/train/epochs") == "--epochs");
  CHECK(c.where("/train/e") == "flag -s #2");
  CHECK(c.where("/train/b") == (f.path / "base/base.json").string() + ":1:41");
  CHECK(c.files().size() == 4);
}

TEST_CASE("files that extend one another in a circle are refused") {
  const Folder f;
  const std::string a = f.write("a.json", R"({"extends": "b.json"})");
  f.write("b.json", R"({"extends": "./a.json"})");
  const ConfigSource s = ConfigSource::from_file(a);
  CHECK_THROWS_WITH_AS(Config::load({&s, 1}), doctest::Contains("\"extends\" leads back"), Error);
}

TEST_CASE("a missing base names the line that asked for it") {
  const Folder f;
  const ConfigSource s = ConfigSource::from_file(f.write("a.json", "{\n  \"extends\": [\"gone.json\"]}"));
  try {
    Config::load({&s, 1});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.at == s.name + ":2:14");
    CHECK(std::string(e.what()).find("gone.json") != std::string::npos);
  }
}

TEST_CASE("arrays and scalars replace, objects merge") {
  const Config c = Config::load(
      std::vector{ConfigSource::from_text("a", R"({"m": {"p": {"depths": [3, 4], "width": 64}}})"),
                  ConfigSource::from_text("b", R"({"m": {"p": {"depths": [3]}, "n": 1}})")});
  CHECK(c.root() == json::parse(R"({"m": {"p": {"depths": [3], "width": 64}, "n": 1}})"));
  CHECK(c.where("/m/p/depths/0") == "b:1:25");
  CHECK(c.where("/m/p/width") == "a:1:41");
}

TEST_CASE("another type replaces the whole variant, except what the command line gave") {
  const std::string sgd = R"({"train": {"optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9}}})";
  CHECK(from_text(sgd, {"train.optimizer.type=adam"}).root()["train"]["optimizer"] == json{{"type", "adam"}});
  CHECK(from_text(sgd, {"train.optimizer.lr=1", "train.optimizer.type=adam"}).root()["train"]["optimizer"] ==
        json{{"type", "adam"}, {"lr", 1}});
  CHECK(from_text(sgd, {"train.optimizer.type=sgd"}).root()["train"]["optimizer"]["momentum"] == 0.9);
  CHECK(from_text(sgd, {"train.optimizer=adam"}).root()["train"]["optimizer"] == "adam");
  CHECK(from_text(sgd, {"train.optimizer={\"type\": \"adam\"}"}).root()["train"]["optimizer"] ==
        json{{"type", "adam"}});
}

TEST_CASE("a member set on a bare variant name keeps the name") {
  const Config c = from_text(R"({"train": {"optimizer": "adam"}})", {"train.optimizer.lr=0.5"});
  CHECK(c.root()["train"]["optimizer"] == json{{"type", "adam"}, {"lr", 0.5}});
  CHECK(c.where("/train/optimizer/type") == "net.json:1:25");
  CHECK(c.where("/train/optimizer/lr") == "flag -s #1");
}

TEST_CASE("a key is dotted with indexes or a JSON pointer, a value JSON or text") {
  const std::string text = R"({"layers": [{"units": 1}, {"units": 2}, "relu"], "train": {}})";
  CHECK(from_text(text, {"layers[1].units=7"}).root()["layers"][1]["units"] == 7);
  CHECK(from_text(text, {"layers[-2].units = 7"}).root()["layers"][1]["units"] == 7);
  CHECK(from_text(text, {"layers[-1]=tanh"}).root()["layers"][2] == "tanh");
  CHECK(from_text(text, {"/layers/0/units=[1, 2]"}).root()["layers"][0]["units"] == json{1, 2});
  CHECK(from_text(text, {"/a~1b/c.d=1"}).root()["a/b"]["c.d"] == 1);
  CHECK(from_text(text, {"train.name=a=b"}).root()["train"]["name"] == "a=b");
  CHECK(from_text(text, {"train.lr=-1e-3"}).root()["train"]["lr"] == -1e-3);
  CHECK(from_text(text, {"train.x="}).root()["train"]["x"] == "");
  CHECK(from_text(text, {"train.x=null"}).root()["train"]["x"].is_null());
  CHECK(from_text(text, {"train.x=\"5\""}).root()["train"]["x"] == "5");
}

TEST_CASE("an override that cannot apply says why") {
  CHECK(set_complaint("train.lr") ==
        "flag -s #1 'train.lr' has no '=', expected KEY=VALUE as in train.epochs=5");
  CHECK(set_complaint("=1") == "flag -s #1 '=1' has no key before '='");
  CHECK(set_complaint("train..lr=1").find("empty part") != std::string::npos);
  CHECK(set_complaint("train.=1").find("empty part") != std::string::npos);
  CHECK(set_complaint("layers[2].units=1").find("index 2 is out of range, the array has 2 elements") !=
        std::string::npos);
  CHECK(set_complaint("layers[-3]=1").find("out of range") != std::string::npos);
  CHECK(set_complaint("layers[x]=1").find("is not an index") != std::string::npos);
  CHECK(set_complaint("layers[0=1").find("is not closed") != std::string::npos);
  CHECK(set_complaint("layers.units=1").find("is not an element of this array") != std::string::npos);
  CHECK(set_complaint("train[0]=1").find("stands behind object, expected an array") != std::string::npos);
}

TEST_CASE("a question mark sets a key only where the schema or the config has it") {
  CHECK(from_text("{}", {"?train.lr=2"}).root()["train"]["lr"] == 2);
  CHECK(from_text("{}", {"?train.learning_rate=2"}).root().empty());
  CHECK(from_text("{}", {"?train.optimizer.beta1=2"}).root()["train"]["optimizer"]["beta1"] == 2);
  CHECK(from_text(R"({"train": {"optimizer": "sgd"}})", {"?train.optimizer.beta1=2"})
            .root()["train"]["optimizer"] == "sgd");
  CHECK(from_text(R"({"extra": {"x": 1}})", {"?extra.x=2", "?extra.y=2"}).root()["extra"] == json{{"x", 2}});
}

TEST_CASE("explain tells the origin of each value and what it overrode") {
  const Config c = Config::load(
      std::vector{
          ConfigSource::from_text("base.json", "{\n\"train\": {\"lr\": 0.1, \"optimizer\": \"adam\"}}"),
          ConfigSource::from_set("flag -s #1", "train.lr=0.05"),
          ConfigSource::from_set("flag -s #2", "train.lr=0.01")},
      schema());
  CHECK(c.explain("train.lr") == std::vector<std::string>{"train.lr = 0.01  (flag -s #2; was 0.05 from flag "
                                                          "-s #1; was 0.1 from base.json:2; default 0.001)"});
  CHECK(c.explain("/train/epochs") == std::vector<std::string>{"train.epochs = 10  (default)"});
  CHECK(c.explain("train.optimizer") ==
        std::vector<std::string>{"train.optimizer.type = \"adam\"  (base.json:2)",
                                 "train.optimizer.lr = 0.01  (default)",
                                 "train.optimizer.beta1 = 0.9  (default)"});
  CHECK(c.explain("").size() == 6);
  CHECK_THROWS_WITH_AS(c.explain("train.epoch"), doctest::Contains("unknown key 'epoch' in train"), Error);
}

TEST_CASE("the full config has every default, the written one only what was set") {
  const Config c = from_text(R"({"train": {"optimizer": {"type": "adam"}}})");
  CHECK(c.full()["train"]["optimizer"] == json{{"type", "adam"}, {"lr", 0.01}, {"beta1", 0.9}});
  CHECK(c.full()["train"]["metrics"] == json{"accuracy"});
  CHECK(c.root()["train"].size() == 1);
  CHECK(from_text("{}").full()["train"]["optimizer"]["type"] == "sgd");
}
