// Single operators against the measured ceilings of the machine, alone and on random data:
//   bench_ops [name-part ...] [--device cpu|cuda[:N]] [--type f32|tf32|bf16|f16] [--threads N] [--seconds S]
//             [--isa base|avx2|avx512] [--json] [--plan] [--cases FILE]
// The cases are in operators.json, on a device in device_operators.json, or in another file of that form. --type gives the
// f32 operands that type, and leaves out operators that take none. The best of many calls counts: time, GFLOP/s, GB/s with each operand
// counted once, and the share of the ceiling that bounds the operator, memory or arithmetic. --plan runs nothing.
#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/clock.h"
#include "base/random.h"
#include "bench/flags.h"
#include "exec/executor.h"

using namespace dl;

namespace {

struct Settings {
  int threads = 2;
  double seconds = 0.3;  // for each case
  Isa isa = best_isa();
  std::shared_ptr<Device> device;
  DType type = DType::f32;
  Precision precision = Precision::f32;  // tf32, or f32
  bool as_json = false, plan_only = false;
  std::vector<std::string> names;
  std::string cases;
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

uint16_t half(DType type, float v) {
  if (type == DType::f16) return std::bit_cast<uint16_t>(static_cast<_Float16>(v));
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16);
}

// Numbers drawn for the first part, which then repeats.
Tensor random_tensor(const TensorType& type, int64_t below) {
  Tensor t(type);
  Random r(7, 7);
  const auto size = static_cast<size_t>(size_of(type.dtype)), bytes = static_cast<size_t>(t.bytes());
  auto* const to = static_cast<char*>(t.raw());
  const size_t drawn = std::min(bytes, size << 20);
  for (size_t at = 0; at < drawn; at += size) {
    const auto put = [&](auto v) { std::memcpy(to + at, &v, sizeof v); };
    switch (type.dtype) {
      case DType::f32:
        put(static_cast<float>(r.uniform(0.1, 1)));
        break;
      case DType::bf16:
      case DType::f16:
        put(half(type.dtype, static_cast<float>(r.uniform(0.1, 1))));
        break;
      case DType::i32:
        put(static_cast<int32_t>(r.below(below)));
        break;
      case DType::u8:
        put(static_cast<uint8_t>(r.below(256)));
        break;
      case DType::i64:
        put(int64_t{1});
        break;
      case DType::f64:
        put(r.uniform(0.1, 1));
        break;
    }
  }
  for (size_t at = drawn; at < bytes; at += drawn) std::memcpy(to + at, to, std::min(drawn, bytes - at));
  return t;
}

// A graph of one node, the operands of which are x0, x1, ... Those named in "fixed" are parameters, so that what a kernel
// makes of them alone is made once. Bit i of `halves`: operand i has the type of the settings.
Graph graph_of(const json& j, DType type, unsigned halves) {
  const OpDef* op = find_op(j["op"].get<std::string>());
  if (!op) throw Error(Exit::config, "no operator " + j["op"].get<std::string>());
  const std::vector<int> fixed = j.value("fixed", std::vector<int>{});
  Graph g;
  std::vector<ValueId> in;
  for (const json& text : j["in"]) {
    if (text.is_null()) {
      in.push_back(kNone);
      continue;
    }
    TensorType t = type_of(text);
    if (halves >> in.size() & 1) t.dtype = type;
    const bool parameter = std::count(fixed.begin(), fixed.end(), static_cast<int>(in.size())) > 0;
    in.push_back(
        g.add_leaf(parameter ? ValueKind::parameter : ValueKind::input, "x" + std::to_string(in.size()), t));
  }
  g.add_node(*op, in, op->attrs->parse(j.value("attrs", json::object()), "/attrs", {}), j["name"]);
  for (size_t i = 0; i < g.nodes[0].out.size(); ++i)
    g.outputs.push_back({"y" + std::to_string(i), g.nodes[0].out[i]});
  return g;
}

// With as many operands of the wanted type as the operator takes; nothing where it takes none.
std::optional<Graph> graph_of(const json& j, DType type) {
  if (type == DType::f32) return graph_of(j, type, 0);
  unsigned floats = 0, bit = 1;
  for (const json& text : j["in"]) {
    if (text.is_string() && text.get<std::string>().starts_with("f32")) floats |= bit;
    bit *= 2;
  }
  std::vector<unsigned> sets;
  for (unsigned s = floats; s; s = (s - 1) & floats) sets.push_back(s);
  std::stable_sort(sets.begin(), sets.end(),
                   [](unsigned a, unsigned b) { return std::popcount(a) > std::popcount(b); });
  for (unsigned s : sets) {
    try {
      return graph_of(j, type, s);
    } catch (const Error&) {}
  }
  return {};
}

// Seconds of one run, the best of many; on a device of rounds of so many that starting them costs nothing.
double best_of_runs(Executor& ex, const Settings& s) {
  double best = 1e30;
  int runs = 1;
  for (int i = 0; i < 2; ++i) ex.run();  // what is made once, and recorded
  ex.wait();
  const double end = steady_seconds() + s.seconds;
  do {
    const double start = steady_seconds();
    if (s.device) s.device->mark(0);
    for (int i = 0; i < runs; ++i) ex.run();
    if (s.device) s.device->mark(1);
    const double spent = s.device ? s.device->elapsed(0, 1) : steady_seconds() - start;
    best = std::min(best, spent / runs);
    if (s.device && spent < 0.005) runs *= 2;
  } while (steady_seconds() < end);
  return best;
}

// Time and work of one call. With plan_only the time stays 0.
Profile::Row measure(Graph graph, const json& j, const Settings& s, Pool* pool) {
  PlanOptions options{.passes = {}, .isa = s.isa, .device = s.device, .threads = s.threads};
  options.passes.precision = s.precision;
  for (const char* pass : {"layout", "winograd", "simplify"}) options.passes.off.insert(pass);
  Plan plan = make_plan(std::move(graph), options);
  if (plan.graph.nodes.size() != 1) throw Error(Exit::internal, "a pass changed the graph");
  Profile profile;
  profile.add(plan, "");
  Profile::Row row = profile.rows()[0];
  row.calls = 1;
  if (s.plan_only) return row;
  TensorMap state;
  std::vector<std::pair<std::string, Tensor>> feeds;
  for (const Value& v : plan.graph.values) {
    if (v.kind == ValueKind::computed) continue;
    Tensor value = random_tensor(v.type, j.value("below", 10));
    if (v.kind == ValueKind::parameter)
      state.emplace(v.name, std::move(value));
    else
      feeds.emplace_back(v.name, std::move(value));
  }
  Executor ex(std::move(plan), pool, state);
  for (auto& [name, value] : feeds) ex.feed(name, value);
  row.seconds = row.least = best_of_runs(ex, s);
  return row;
}

void print(const Profile::Row& r, const std::string& name, const std::string& type, const Settings& s,
           const Ceilings& c) {
  Profile bounds;
  bounds.set_ceilings(c);
  const double flops = static_cast<double>(r.flops), bytes = static_cast<double>(r.bytes),
               floor = bounds.floor(r);
  const bool memory = bytes / c.bytes >= flops / (r.half ? c.flops_16 : c.flops);
  const double rate = r.least > 0 ? 1e-9 / r.least : 0, share = r.least > 0 ? floor / r.least : 0;
  if (s.as_json) {
    const json row = {{"name", name},
                      {"type", type},
                      {"milliseconds", r.least * 1e3},
                      {"gflops", flops * rate},
                      {"gbytes", bytes * rate},
                      {"roofline", share},
                      {"bound", memory ? "memory" : "arithmetic"},
                      {"floor_milliseconds", floor * 1e3},
                      {"operations", r.flops},
                      {"bytes", r.bytes}};
    std::printf("%s\n", row.dump().c_str());
  } else {
    std::printf(
        "%-44s %-4s %9.3f ms %8.1f GFLOP/s %7.1f GB/s %5.2f of %-10s floor %8.3f ms: %.3g GFLOP, %.3g MB\n",
        name.c_str(), type.c_str(), r.least * 1e3, flops * rate, bytes * rate, share,
        memory ? "memory" : "arithmetic", floor * 1e3, flops * 1e-9, bytes * 1e-6);
  }
  std::fflush(stdout);
}

void print(const Ceilings& c, const Settings& s) {
  const std::string where = s.device ? s.device->info().name : std::string(name_of(s.isa));
  if (s.as_json)
    std::printf("%s\n", json{{"machine", where},
                             {"gflops", c.flops * 1e-9},
                             {"gflops_16", c.flops_16 * 1e-9},
                             {"gbytes", c.bytes * 1e-9}}
                            .dump()
                            .c_str());
  else
    std::printf("%s at best: %.1f GFLOP/s, %.1f of 16 bits, %.1f GB/s\n", where.c_str(), c.flops * 1e-9,
                c.flops_16 * 1e-9, c.bytes * 1e-9);
  std::fflush(stdout);
}

Settings read_settings(int argc, char** argv) {
  Settings s;
  const auto isa = [&](const std::string& name) {
    for (Isa one : usable_isas())
      if (name_of(one) == name) s.isa = one;
  };
  const auto type = [&](const std::string& name) {
    if (name == "tf32")
      s.precision = Precision::tf32;
    else if (!parse_dtype(name, s.type) || !is_real(s.type))
      throw Error(Exit::usage, "--type " + name + ": expected f32, tf32, bf16 or f16");
  };
  s.names = bench::read_flags(argc, argv,
                              {bench::number("--threads", s.threads),
                               bench::number("--seconds", s.seconds),
                               bench::word("--cases", s.cases),
                               bench::device(s.device),
                               {"--isa", isa},
                               {"--type", type},
                               bench::on("--json", s.as_json),
                               bench::on("--plan", s.plan_only)});
  const bool other = s.type != DType::f32 || s.precision != Precision::f32;
  if (other && !s.device) throw Error(Exit::usage, "--type: the CPU has f32 alone");
  if (s.cases.empty()) s.cases = s.device ? DL_DEVICE_OPERATORS : DL_OPERATORS;
  return s;
}

void run(const Settings& s) {
  std::ifstream in(s.cases);
  if (!in) throw Error(Exit::data, s.cases + ": cannot be read");
  const json cases = json::parse(in, nullptr, true, true);
  const PoolOwner pool(pool_create(s.threads));
  if (s.device) s.device->allow_tf32(s.precision == Precision::tf32);
  const Ceilings ceilings = s.device ? measure_ceilings(*s.device) : measure_ceilings(pool.get(), s.isa);
  print(ceilings, s);
  Exit failed = Exit::ok;  // of the last case that did
  for (const json& j : cases) {
    const std::string name = j["name"];
    const auto wanted = [&](const std::string& part) { return name.find(part) != std::string::npos; };
    if (!s.names.empty() && std::none_of(s.names.begin(), s.names.end(), wanted)) continue;
    try {
      std::optional<Graph> graph = graph_of(j, s.type);
      if (!graph) continue;
      const DType first = graph->type(graph->nodes[0].in[0]).dtype;
      const std::string type(first == DType::f32 && s.precision == Precision::tf32 ? "tf32" : name_of(first));
      print(measure(std::move(*graph), j, s, pool.get()), name, type, s, ceilings);
    } catch (const Error& e) {
      failed = e.code;
      if (s.as_json) std::printf("%s\n", json{{"name", name}, {"error", e.what()}}.dump().c_str());
      std::fprintf(stderr, "%s: %s\n", name.c_str(), e.what());
    }
  }
  if (failed != Exit::ok) throw Error(failed, "not all cases were measured");
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run([&] { run(read_settings(argc, argv)); });
}
