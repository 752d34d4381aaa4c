// Every row of the operator cases that has a C form: the source compiles without a warning and gives what the kernels give.
#include "exchange/c_source.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "exchange/lower.h"
#include "ops/harness.h"

using namespace dl;
using namespace dl::test;

namespace {

bool have_compiler() { return std::system("command -v cc >/dev/null 2>&1") == 0; }

// The graph of a row. Operands that a C source wants as tables are constants; outputs behind the first are not computed for
// inference.
Graph graph_of(const Row& row, const Built& b, const Feeds& feeds) {
  const Node& node = b.graph.nodes[b.node];
  Graph g;
  std::vector<ValueId> in;
  for (ValueId v : node.in) {
    if (v == kNone) {
      in.push_back(kNone);
      continue;
    }
    const bool table = in.size() > 0 && row.op != "matmul" && row.op != "concat";
    const std::string name = str("x", in.size());
    in.push_back(table ? g.add_constant(name, feeds.at(v))
                       : g.add_leaf(ValueKind::input, name, b.graph.type(v)));
  }
  g.outputs = {{"y", g.add_node(*node.op, in, node.attrs, "layer")[0]}};
  return g;
}

std::string floats(const Tensor& t) {
  std::string s;
  for (const double v : to_array(t).v) {
    char text[64];
    std::snprintf(text, sizeof text, "%.9gf,", v);
    s += std::isinf(v)                                                ? (v < 0 ? "-HUGE_VALF," : "HUGE_VALF,")
         : std::isnan(v)                                              ? "HUGE_VALF - HUGE_VALF,"
         : std::string(text).find_first_of(".e") == std::string::npos ? str(static_cast<int64_t>(v), ".0f,")
                                                                      : std::string(text);
  }
  return s;
}

struct Case {
  std::string text;
  std::vector<double> want;
};

// A program that prints the outputs of all cases, one line for each.
std::string program(const std::vector<std::string>& sources, const std::vector<std::string>& calls) {
  std::string s = "#include <stdio.h>\n";
  for (const std::string& one : sources) s += one;
  s += "int main(void) {\n";
  for (const std::string& one : calls) s += one;
  return s + "  return 0;\n}\n";
}

class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "c_source_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()));
    path = pattern;
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  std::string path;
};

std::vector<std::string> run_program(const std::string& text) {
  const Scratch folder;
  std::ofstream(folder.path + "/all.c") << text;
  const std::string build = str("cc -std=c99 -O1 -Wall -Wextra -Werror -pedantic -o ", folder.path, "/all ",
                                folder.path, "/all.c -lm && ", folder.path, "/all > ", folder.path, "/out");
  REQUIRE(std::system(build.c_str()) == 0);
  std::ifstream in(folder.path + "/out");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void check_line(const Case& c, const std::string& line) {
  INFO(c.text);
  double scale = 1e-30, worst = 0;
  for (double v : c.want)
    if (std::isfinite(v)) scale = std::fmax(scale, std::fabs(v));
  const char* p = line.c_str();
  for (double want : c.want) {
    char* end = nullptr;
    const double got = std::strtod(p, &end);
    REQUIRE(end != p);
    p = end;
    if (got == want || (std::isnan(got) && std::isnan(want))) continue;
    worst = std::fmax(worst, std::isfinite(want - got) ? std::fabs(got - want) / scale : 1e9);
  }
  CHECK(worst <= 1e-5);
}

bool all_f32(const Graph& g) {
  for (const Value& v : g.values)
    if (v.kind != ValueKind::input && v.type.dtype != DType::f32) return false;
  return true;
}

}  // namespace

TEST_CASE("every operator with a C form compiles and agrees with the kernels on every case row") {
  if (!have_compiler()) {
    MESSAGE("SKIP: no C compiler");
    return;
  }
  std::vector<std::string> sources, calls;
  std::vector<Case> cases;
  std::set<std::string> checked;
  std::map<std::string, int> taken;  // rows of an operator, of which a compiler is to see so many
  constexpr int kMostRows = 16;
  int64_t size = 0;
  const auto flush = [&] {
    if (cases.empty()) return;
    const std::vector<std::string> lines = run_program(program(sources, calls));
    REQUIRE(lines.size() == cases.size());
    for (size_t i = 0; i < cases.size(); ++i) check_line(cases[i], lines[i]);
    sources.clear(), calls.clear(), cases.clear();
    size = 0;
  };
  for (const Row& row : rows()) {
    if (!row.opt.error.empty()) continue;
    const Built b = build(row, false);
    const Feeds feeds = make_feeds(row, b);
    const Graph g = graph_of(row, b, feeds);
    const std::vector<CRow> mapping = c_mapping(g);
    if (mapping[0].functions.empty() || !all_f32(g) || g.type(g.outputs[0].value).elements() == 0) continue;
    int64_t elements = 0;
    for (const auto& [v, t] : feeds) elements += t.elements();
    bool empty = false;
    for (const auto& [v, t] : feeds) empty = empty || t.elements() == 0;
    if (elements > 20000 || empty || ++taken[row.op] > kMostRows) continue;
    const std::string name = str("n", cases.size());
    const CSource source = to_c(g, {.name = name});
    sources.push_back(source.source);
    std::string call = "  {\n", arguments;
    size_t k = 0;
    for (ValueId v : b.graph.nodes[b.node].in) {
      const size_t i = k++;
      if (v == kNone || g.find(str("x", i)) == kNone || g.value(g.find(str("x", i))).kind != ValueKind::input)
        continue;
      call += str("    static const float x", i, "[] = {", floats(feeds.at(v)), "};\n");
      arguments += str("x", i, ", ");
    }
    const std::vector<Tensor> values = evaluate(b.graph, feeds, best_isa(), false);
    const Array want = to_array(values[static_cast<size_t>(b.graph.nodes[b.node].out[0])]);
    call += str("    static float y[", want.size(), "];\n    ", name, "_run(", arguments,
                "y);\n    for (int i = 0; i < ", want.size(),
                "; ++i) printf(\"%.9g \", (double)y[i]);\n    printf(\"\\n\");\n  }\n");
    calls.push_back(call);
    cases.push_back({row.text(), want.v});
    checked.insert(row.op);
    if ((size += static_cast<int64_t>(source.source.size() + call.size())) > 4'000'000) flush();
  }
  flush();
  MESSAGE("operators checked: ", checked.size());
  if (!std::getenv("DL_OP"))
    for (const char* op : {"affine", "avg_pool2d", "batch_norm_inference", "broadcast_to", "concat", "conv2d",
                           "conv_transpose2d", "gelu", "matmul", "max_pool2d", "normalize", "reduce_mean",
                           "slice", "softmax", "tanh", "transpose", "upsample2d"})
      CHECK_MESSAGE(checked.contains(op), op);
}

TEST_CASE("weights of 8 bits take a quarter of the room and are those of the graph that is given back") {
  Graph g;
  const ValueId x = g.add_leaf(ValueKind::input, "x", {DType::f32, {1, 3}});
  Tensor w(DType::f32, {2, 3});
  const float values[] = {0.5f, -1.27f, 0.004f, 0, 0, 0};
  std::copy_n(values, 6, w.data<float>().begin());
  g.outputs = {{"y", g.add(op::affine, {x, g.add_constant("w", w)}, {}, "fc")}};
  const CSource source = to_c(g, {.name = "net", .weights = CWeights::int8});
  const auto rounded = source.graph.constants.begin()->second.data<float>();
  CHECK(rounded[0] == doctest::Approx(0.5).epsilon(1e-6));
  CHECK(rounded[1] == doctest::Approx(-1.27).epsilon(1e-6));
  CHECK(rounded[2] == 0);
  CHECK(rounded[5] == 0);
  CHECK(w.data<float>()[2] == 0.004f);
  CHECK(source.source.find("static const signed char net_fc_weight[24] = {") != std::string::npos);
  CHECK(source.source.find("50, 0, 0, 0, 0, 0, 0, 0, -127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0") !=
        std::string::npos);
}

TEST_CASE("names in C are never keywords, and text in comments and strings cannot leave them") {
  CHECK(c_name("class") == "class_");
  CHECK(c_name("2 nets/a") == "n_2_nets_a");
  CHECK(c_name("") == "n_");
  Graph g;
  g.name = "*/ int evil; /*";
  const ValueId x = g.add_leaf(ValueKind::input, "x", {DType::f32, {1, 3}});
  g.outputs = {{"y", g.add(op::relu, {x})}};
  const CSource source = to_c(g, {.name = "net", .classes = {{"y", {"a\"b\\", "\n", "?\?/"}}}});
  CHECK(source.source.find("*/ int") == std::string::npos);
  CHECK(source.source.find("\"a\\042b\\134\"") != std::string::npos);
  CHECK(source.source == to_c(g, {.name = "net", .classes = {{"y", {"a\"b\\", "\n", "?\?/"}}}}).source);
}

TEST_CASE("what has no form in C is refused with the layer's place") {
  Graph g;
  const ValueId y = g.add_leaf(ValueKind::input, "y", {DType::f32, {2}});
  g.outputs = {{"dx", g.add(op::relu_grad, {y, y}, {}, "relu_1", "/model/layers/0")}};
  try {
    to_c(g, {.name = "net"});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    CHECK(e.pointer == "/model/layers/0");
    CHECK(std::string(e.what()).find("relu_1") != std::string::npos);
  }
  CHECK(c_mapping(g)[0].functions.empty());
}
