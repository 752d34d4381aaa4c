// Single operators against the measured ceilings of the machine, alone and on random data:
//   bench_ops [name-part ...] [--threads N] [--seconds S] [--isa base|avx2|avx512] [--json] [--cases FILE]
// The cases are in operators.json, or in another file of its form. The best of many calls counts: time, GFLOP/s, GB/s with each operand counted once, and
// the share of the roofline.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "base/random.h"
#include "exec/executor.h"

using namespace dl;

namespace {

struct Settings {
  int threads = 2;
  double seconds = 0.3;  // for each case
  Isa isa = best_isa();
  bool as_json = false;
  std::vector<std::string> names;
  std::string cases = DL_OPERATORS;
};

// "f32[8,4,56,56,16]"
TensorType type_of(const std::string& text) {
  TensorType t;
  const size_t open = text.find('[');
  parse_dtype(text.substr(0, open), t.dtype);
  std::istringstream extents(text.substr(open + 1, text.size() - open - 2));
  for (std::string e; std::getline(extents, e, ',');) t.shape.push_back(std::stoll(e));
  return t;
}

Tensor random_tensor(const TensorType& type, int64_t below) {
  Tensor t(type);
  Random r(7, 7);
  if (type.dtype == DType::f32)
    for (float& v : t.data<float>()) v = float(r.uniform(0.1, 1));
  if (type.dtype == DType::i32)
    for (int32_t& v : t.data<int32_t>()) v = int32_t(r.below(below));
  if (type.dtype == DType::i64)
    for (int64_t& v : t.data<int64_t>()) v = 1;
  if (type.dtype == DType::u8)
    for (uint8_t& v : t.data<uint8_t>()) v = uint8_t(r.below(256));
  return t;
}

// A graph of one node. Operands named in "fixed" are parameters, so that what a kernel makes of them alone is made once.
Profile::Row measure(const json& j, const Settings& s, const Ceilings& ceilings, Pool* pool) {
  const OpDef* op = find_op(j["op"].get<std::string>());
  if (!op) throw std::runtime_error("no operator " + j["op"].get<std::string>());
  const std::vector<int> fixed = j.value("fixed", std::vector<int>{});
  Graph g;
  TensorMap state;
  std::vector<ValueId> in;
  std::vector<std::pair<std::string, Tensor>> feeds;
  for (const json& text : j["in"]) {
    const TensorType type = type_of(text);
    const auto name = "x" + std::to_string(in.size());
    const bool parameter = std::count(fixed.begin(), fixed.end(), int(in.size())) > 0;
    in.push_back(g.add_leaf(parameter ? ValueKind::parameter : ValueKind::input, name, type));
    Tensor value = random_tensor(type, j.value("below", 10));
    if (parameter)
      state.emplace(name, std::move(value));
    else
      feeds.emplace_back(name, std::move(value));
  }
  g.add_node(*op, in, op->attrs->parse(j.value("attrs", json::object()), "/attrs", {}), j["name"]);
  for (size_t i = 0; i < g.nodes[0].out.size(); ++i)
    g.outputs.push_back({"y" + std::to_string(i), g.nodes[0].out[i]});
  PlanOptions options{.passes = {}, .isa = s.isa, .threads = s.threads};
  for (const char* pass : {"layout", "winograd", "simplify"}) options.passes.off.insert(pass);
  Executor ex(make_plan(std::move(g), options), pool, state);
  for (auto& [name, value] : feeds) ex.feed(name, value);
  Profile profile;
  profile.set_ceilings(ceilings);
  ex.run();
  ex.report_to(&profile, "");
  const double end = steady_seconds() + s.seconds;
  do ex.run();
  while (steady_seconds() < end);
  Profile::Row row = profile.rows().back();
  row.seconds = row.least;
  row.calls = 1;
  return row;
}

void print(const Profile::Row& r, const std::string& name, const Settings& s, const Ceilings& c) {
  const double gflops = double(r.flops) / r.least * 1e-9, gbytes = double(r.bytes) / r.least * 1e-9;
  const double ideal = std::max(double(r.flops) / c.flops, double(r.bytes) / c.bytes);
  const char* format = s.as_json
                           ? "{\"name\": \"%s\", \"milliseconds\": %.4f, \"gflops\": %.1f, \"gbytes\": %.1f, "
                             "\"roofline\": %.3f}\n"
                           : "%-44s %9.3f ms %8.1f GFLOP/s %7.1f GB/s %5.2f\n";
  std::printf(format, name.c_str(), r.least * 1e3, gflops, gbytes, ideal / r.least);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--threads") && i + 1 < argc)
      s.threads = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc)
      s.seconds = std::atof(argv[++i]);
    else if (!std::strcmp(argv[i], "--cases") && i + 1 < argc)
      s.cases = argv[++i];
    else if (!std::strcmp(argv[i], "--isa") && i + 1 < argc) {
      const std::string name = argv[++i];
      for (Isa isa : usable_isas())
        if (name_of(isa) == name) s.isa = isa;
    } else if (!std::strcmp(argv[i], "--json"))
      s.as_json = true;
    else
      s.names.push_back(argv[i]);
  }
  std::ifstream in(s.cases);
  const json cases = json::parse(in, nullptr, true, true);
  Pool* pool = pool_create(s.threads);
  const Ceilings ceilings = measure_ceilings(pool, s.isa);
  if (!s.as_json)
    std::printf("machine at best: %.1f GFLOP/s, %.1f GB/s\n", ceilings.flops * 1e-9, ceilings.bytes * 1e-9);
  for (const json& j : cases) {
    const std::string name = j["name"];
    const auto wanted = [&](const std::string& part) { return name.find(part) != std::string::npos; };
    if (!s.names.empty() && std::none_of(s.names.begin(), s.names.end(), wanted)) continue;
    print(measure(j, s, ceilings, pool), name, s, ceilings);
  }
  pool_destroy(pool);
  return 0;
}
