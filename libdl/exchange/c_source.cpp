#include "exchange/c_source.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/str.h"
#include "exchange/c_emit.h"
#include "exchange/c_runtime.h"

namespace dl {
namespace {

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

// '@' becomes the prefix.
std::string prefixed(const std::string& text, const std::string& name) {
  std::string out;
  for (char c : text) c == '@' ? out += name + '_' : out += c;
  return out;
}

// A string literal of C; bytes that are not plain ASCII as three octal digits, which end by themselves.
std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (const char c : s) {
    char text[8];
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 32 || byte > 126 || c == '"' || c == '\\' || c == '?') {
      std::snprintf(text, sizeof text, "\\%03o", byte);
      out += text;
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Text that stands in a comment must not end it.
std::string harmless(std::string s) {
  for (char& c : s)
    if (c == '*' || c == '/' || c == '\\' || static_cast<unsigned char>(c) < 32 ||
        static_cast<unsigned char>(c) > 126)
      c = ' ';
  return s;
}

class Writer {
 public:
  Writer(const Graph& graph, const COptions& options)
      : options_(options), name_(options.name), big_(upper(name_)) {
    out_.graph = graph;
    if (options.weights == CWeights::int8) round_to_int8(out_.graph);
    name_ports();
  }

  CSource run() {
    CEmitter e(out_.graph, options_.weights);
    e.run();
    out_.weight_bytes = e.weight_bytes();
    out_.memory_floats = std::max<int64_t>(e.memory_floats(), 1);
    out_.header = header();
    std::string& s = out_.source;
    s = out_.header;
    s += "\n#include <math.h>\n#include <stdint.h>\n#include <string.h>\n";
    for (const std::string& f : e.functions())
      s += prefixed(c_function(f, options_.weights == CWeights::int8).text, name_);
    s += "\n/* Weights are bit patterns of 32-bit floats: every number is exact. */\n" +
         prefixed(e.tables(), name_);
    s += class_tables() + prefixed(network(e), name_) + demo();
    return std::move(out_);
  }

 private:
  void name_ports() {
    std::vector<std::string> taken{"memory", "count"};
    const auto add = [&](std::vector<CSource::Port>& to, const std::string& name, const TensorType& type,
                         const std::string& parameter) {
      std::string unique = c_name(parameter);
      while (std::count(taken.begin(), taken.end(), unique)) unique += '_';
      taken.push_back(unique);
      to.push_back({name, unique, type.elements()});
    };
    for (const Value& v : out_.graph.values)
      if (v.kind == ValueKind::input) add(out_.inputs, v.name, v.type, v.name);
    for (const GraphOutput& o : out_.graph.outputs)
      add(out_.outputs, o.name, out_.graph.type(o.value), out_.graph.outputs.size() == 1 ? "out" : o.name);
  }

  std::string parameters() const {
    std::vector<std::string> out;
    for (const CSource::Port& p : out_.inputs) out.push_back("const float *" + p.parameter);
    for (const CSource::Port& p : out_.outputs) out.push_back("float *" + p.parameter);
    return join(out, ", ");
  }
  std::string arguments(const std::string& index = {}) const {
    std::vector<std::string> out;
    for (const auto* ports : {&out_.inputs, &out_.outputs})
      for (const CSource::Port& p : *ports)
        out.push_back(index.empty() ? p.parameter : str(p.parameter, " + ", index, " * ", size_name(p)));
    return join(out, ", ");
  }
  std::string size_name(const CSource::Port& p) const { return str(big_, '_', upper(p.parameter), "_SIZE"); }
  std::string classes_name(const CSource::Port& p) const {
    return options_.classes.size() == 1 ? str(name_, "_classes") : str(name_, '_', p.parameter, "_classes");
  }
  const std::vector<std::string>* classes_of(const CSource::Port& p) const {
    const auto found = options_.classes.find(p.name);
    return found == options_.classes.end() || found->second.empty() ? nullptr : &found->second;
  }

  std::string header() const {
    const Graph& g = out_.graph;
    std::string h = str("/* Written by dl-export ", options_.producer_version, ": the network '",
                        harmless(g.name), "' in C99.\n\n");
    for (const CSource::Port& p : out_.inputs)
      h += str("   ", p.parameter, ": ", describe(g.type(g.find(p.name))),
               ", as the data set has it: it is normalised here.\n");
    for (const CSource::Port& p : out_.outputs)
      h += str("   ", p.parameter, ": ", describe(g.type(g.output(p.name))), ".\n");
    h += str("\n   ", grouped(out_.weight_bytes), " bytes of constant tables, ",
             grouped(out_.memory_floats * 4),
             " bytes of memory to compute in; nothing is allocated. Floats and unsigned\n"
             "   integers of 32 bits must have the same byte order. */\n");
    h += str("#ifndef ", big_, "_H\n#define ", big_,
             "_H\n\n#include <stddef.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    for (const auto* ports : {&out_.inputs, &out_.outputs})
      for (const CSource::Port& p : *ports)
        h += str("#define ", size_name(p), " ", p.elements, " /* floats of one sample */\n");
    h += str("#define ", big_, "_MEMORY ", out_.memory_floats, " /* floats that ", name_,
             "_run_in() works in */\n\n");
    for (const CSource::Port& p : out_.outputs)
      if (const auto* classes = classes_of(p))
        h += str("extern const char *const ", classes_name(p), "[", classes->size(),
                 "]; /* names of the classes of ", p.parameter, " */\n\n");
    h += str(
        "/* Computes one sample. Returns 0, or 1 where a pointer is null. Works in static memory: not for "
        "two threads at\n"
        "   once. */\nint ",
        name_, "_run(", parameters(), ");\n\n/* The same for `count` samples, one behind the other. */\nint ",
        name_, "_run_batch(size_t count, ", parameters(), ");\n\n/* The same for one sample in ", big_,
        "_MEMORY floats of the caller's. */\nint ", name_, "_run_in(float *memory, ", parameters(), ");\n\n");
    return h + "#ifdef __cplusplus\n}\n#endif\n#endif\n";
  }

  static std::string describe(const TensorType& type) {
    std::vector<std::string> extents;
    for (int i = 1; i < type.shape.rank(); ++i) extents.push_back(std::to_string(type.shape[i]));
    return extents.empty() ? "one float"
                           : join(extents, " x ") + (extents.size() > 1  ? " floats"
                                                     : extents[0] == "1" ? " float"
                                                                         : " floats");
  }

  std::string class_tables() const {
    std::string out;
    for (const CSource::Port& p : out_.outputs) {
      const auto* classes = classes_of(p);
      if (!classes) continue;
      out += str("\nconst char *const ", classes_name(p), "[", classes->size(), "] = {");
      for (const std::string& c : *classes) out += str("\n  ", quoted(c), ',');
      out += "\n};\n";
    }
    return out;
  }

  std::string network(CEmitter& e) const {
    std::string s = str("\nint @run_in(float *memory, ", parameters(), ") {\n  if (!memory");
    for (const auto* ports : {&out_.inputs, &out_.outputs})
      for (const CSource::Port& p : *ports) s += " || !" + p.parameter;
    s += ") return 1;\n" + e.statements();
    for (const CSource::Port& p : out_.outputs)
      s += str("  memcpy(", p.parameter, ", ", e.at(out_.graph.output(p.name)), ", ", size_name(p),
               " * sizeof(float));\n");
    s += str("  return 0;\n}\n\nint @run(", parameters(), ") {\n  static float memory[", big_,
             "_MEMORY];\n  return @run_in(memory, ", arguments(), ");\n}\n\nint @run_batch(size_t count, ",
             parameters(), ") {\n  for (size_t i = 0; i < count; ++i)\n    if (@run(", arguments("i"),
             ") != 0) return 1;\n  return 0;\n}\n");
    return s;
  }

  // A program that shows the network at work.
  std::string demo() const {
    std::string s =
        str("\n#ifdef ", big_,
            "_MAIN\n#include <stdio.h>\n\n/* Reads the floats of one sample after the other from stdin",
            " and prints the outputs of each on a line. */\nint main(void) {\n");
    for (const auto* ports : {&out_.inputs, &out_.outputs})
      for (const CSource::Port& p : *ports)
        s += str("  static float ", p.parameter, "[", size_name(p), "];\n");
    s += "  for (;;) {\n    size_t got = 0;\n";
    int64_t all = 0;
    for (const CSource::Port& p : out_.inputs) {
      all += p.elements;
      s += str("    for (size_t i = 0; i < ", size_name(p), " && scanf(\"%f\", &", p.parameter,
               "[i]) == 1; ++i) ++got;\n");
    }
    s += str(
        "    if (got == 0) return ferror(stdin) || !feof(stdin);\n    if (got < ", all,
        ") {\n      fputs(\"the last sample is not whole\\n\", stderr);\n      return 1;\n    }\n    if (",
        name_, "_run(", arguments(), ") != 0) return 1;\n");
    for (const CSource::Port& p : out_.outputs)
      s += str("    for (size_t i = 0; i < ", size_name(p), "; ++i) printf(\"%.9g \", (double)", p.parameter,
               "[i]);\n");
    return s + "    putchar('\\n');\n  }\n}\n#endif\n";
  }

  const COptions& options_;
  std::string name_, big_;
  CSource out_;
};

}  // namespace

CSource to_c(const Graph& graph, const COptions& options) { return Writer(graph, options).run(); }

std::vector<CRow> c_mapping(const Graph& graph) {
  std::vector<CRow> rows;
  Graph g = graph;
  CEmitter e(g, CWeights::f32);
  for (const Node& n : g.nodes)
    rows.push_back({n.name, std::string(n.op->name), n.origin, e.functions_of(n)});
  return rows;
}

std::string c_name(const std::string& text) {
  static constexpr std::string_view kWords[] = {
      "alignas",  "alignof",  "and",      "asm",   "auto",    "bool",      "break",     "case",
      "catch",    "char",     "class",    "compl", "concept", "const",     "constexpr", "continue",
      "decltype", "default",  "delete",   "do",    "double",  "else",      "enum",      "explicit",
      "export",   "extern",   "false",    "float", "for",     "friend",    "goto",      "if",
      "inline",   "int",      "long",     "main",  "mutable", "namespace", "new",       "noexcept",
      "not",      "nullptr",  "operator", "or",    "private", "protected", "public",    "register",
      "requires", "restrict", "return",   "short", "signed",  "sizeof",    "static",    "struct",
      "switch",   "template", "this",     "throw", "true",    "try",       "typedef",   "typeid",
      "typename", "union",    "unsigned", "using", "virtual", "void",      "volatile",  "while",
      "xor"};
  std::string out;
  for (char c : text)
    out += std::isalnum(static_cast<unsigned char>(c)) && static_cast<unsigned char>(c) < 128 ? c : '_';
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0]))) out.insert(0, "n_");
  return std::find(std::begin(kWords), std::end(kWords), out) == std::end(kWords) ? out : out + '_';
}

}  // namespace dl
