// Random networks with their gradients: optimised against unoptimised, few threads against many.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "base/str.h"
#include "exec/executor.h"
#include "ops/registry.h"
#include "passes/autodiff.h"

using namespace dl;

namespace {

struct Network {
  Graph graph;
  TensorMap state;
  std::map<std::string, Tensor> inputs;
};

Tensor random_tensor(Random& r, Shape shape, double scale) {
  Tensor t(DType::f32, shape);
  for (float& v : t.data<float>()) v = static_cast<float>(scale * r.normal());
  return t;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : r_(seed, stream_id("random graph")) {}

  Network make() {
    net_.graph.name = "random";
    rows_ = 1 + r_.below(5);
    for (int i = 0; i < 2; ++i) {
      const Shape shape{rows_, 1 + r_.below(20)};
      const std::string name = str("x", i);
      values_.push_back(net_.graph.add_leaf(ValueKind::input, name, {DType::f32, shape}));
      net_.inputs[name] = random_tensor(r_, shape, 1);
    }
    const int64_t nodes = 3 + r_.below(12);
    for (int64_t i = 0; i < nodes; ++i) values_.push_back(random_node(str("n", i)));
    finish();
    return std::move(net_);
  }

 private:
  ValueId pick() {
    return values_[values_.size() - 1 - size_t(r_.below(std::min<int64_t>(4, int64_t(values_.size()))))];
  }
  ValueId parameter(const std::string& name, Shape shape) {
    net_.state[name] = random_tensor(r_, shape, 0.25);
    const ValueId v = net_.graph.add_leaf(ValueKind::parameter, name, {DType::f32, shape});
    parameters_.push_back(v);
    return v;
  }
  ValueId affine(const std::string& name, ValueId x, int64_t units) {
    const ValueId w = parameter(name + ".weight", {units, net_.graph.type(x).shape[1]});
    std::vector<ValueId> in{x, w};
    if (r_.below(3)) in.push_back(parameter(name + ".bias", {units}));
    return net_.graph.add(op::affine, in, {}, name);
  }

  ValueId random_node(const std::string& name) {
    const ValueId x = pick();
    Graph& g = net_.graph;
    switch (r_.below(8)) {
      case 0:
        return affine(name, x, 1 + r_.below(20));
      case 1:
        return g.add(op::relu, {affine(name, x, 1 + r_.below(20))}, {}, name);
      case 2:
        return g.add(op::tanh, {affine(name, x, 1 + r_.below(20))}, {}, name);
      case 3:
        return g.add(op::sigmoid, {x}, {}, name);
      case 4:
        return g.add(op::gelu, {x}, {}, name);
      case 5:
        return g.add(op::tanh, {x}, {}, name);
      case 6: {  // joins two values of any widths
        const ValueId y = affine(name, pick(), g.type(x).shape[1]);
        return g.add(r_.below(2) ? op::add : op::mul, {x, y}, {}, name);
      }
      default:
        return g.add(op::softplus, {x}, {}, name);
    }
  }

  void finish() {
    Graph& g = net_.graph;
    ValueId loss = kNone;
    for (size_t i = values_.size() - std::min<size_t>(3, values_.size()); i < values_.size(); ++i) {
      const ValueId square = g.add(op::square, {affine(str("head", i), values_[i], 3)});
      const json axes = {{"axes", {0, 1}}, {"keepdims", false}};
      const ValueId mean = g.add(op::reduce_mean, {square}, op::reduce_mean.attrs->parse(axes, "", {}));
      loss = loss == kNone ? mean : g.add(op::add, {loss, mean});
    }
    g.outputs.push_back({"loss", loss});
    const std::vector<ValueId> grads = autodiff(g, loss, parameters_);
    for (size_t i = 0; i < grads.size(); ++i)
      if (grads[i] != kNone) g.outputs.push_back({"d." + g.value(parameters_[i]).name, grads[i]});
  }

  Random r_;
  Network net_;
  int64_t rows_ = 1;
  std::vector<ValueId> values_, parameters_;
};

std::map<std::string, Tensor> run(const Network& net, const PlanOptions& options,
                                  MemoryPlan* memory = nullptr) {
  Pool* pool = pool_create(options.threads);
  std::map<std::string, Tensor> out;
  {
    TensorMap state = net.state;
    Executor ex(make_plan(net.graph, options), pool, state);
    if (memory) *memory = ex.plan().memory;
    for (const auto& [name, value] : net.inputs)
      if (ex.has_input(name)) ex.feed(name, value);
    ex.run();
    for (const GraphOutput& o : net.graph.outputs) {
      Tensor t(ex.output_type(o.name));
      std::memcpy(t.raw(), ex.output(o.name), size_t(t.bytes()));
      out[o.name] = t;
    }
  }
  pool_destroy(pool);
  return out;
}

double difference(const Tensor& a, const Tensor& b) {
  double worst = 0,
         scale = 1e-3;  // gradients below this pass through saturated units: all digits are lost there
  for (int64_t i = 0; i < a.elements(); ++i) {
    worst = std::max(worst, std::abs(double(a.data<float>()[size_t(i)]) - b.data<float>()[size_t(i)]));
    scale = std::max(scale, std::abs(double(a.data<float>()[size_t(i)])));
  }
  return worst / scale;
}

}  // namespace

TEST_CASE("optimised random networks and their gradients equal the unoptimised ones, on no more memory") {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const Network net = Generator(seed).make();
    PlanOptions plain, full;
    for (const std::string& name : pass_names()) plain.passes.off.insert(name);
    plain.passes.verify = full.passes.verify = true;
    MemoryPlan plain_memory, full_memory;
    const auto want = run(net, plain, &plain_memory), got = run(net, full);
    PlanOptions all_anew = full;
    all_anew.passes.off = {"hoist"};  // which keeps results between runs
    run(net, all_anew, &full_memory);
    for (const auto& [name, value] : want) CHECK_MESSAGE(difference(value, got.at(name)) < 2e-5, name);
    CHECK(full_memory.lower_bound <= 1.1 * double(plain_memory.lower_bound));  // merged nodes live longer
    CHECK(full_memory.arena_bytes <= 1.15 * double(full_memory.lower_bound));
    for (const std::string& off : pass_names()) {
      PlanOptions one;
      one.passes.off = {off};
      const auto without = run(net, one);
      for (const auto& [name, value] : want)
        CHECK_MESSAGE(difference(value, without.at(name)) < 2e-5, off, " ", name);
    }
  }
}

TEST_CASE("random networks that compute values again give the same bits") {
  for (uint64_t seed = 2000; seed < 2060; ++seed) {
    CAPTURE(seed);
    const Network net = Generator(seed).make();
    const auto kept = run(net, {});
    for (const Recompute& what : {Recompute{Recompute::Mode::cheap}, Recompute{Recompute::Mode::segments},
                                  Recompute{Recompute::Mode::segments, 3}}) {
      PlanOptions options;
      options.passes.recompute = what;
      options.passes.verify = true;
      const auto again = run(net, options);
      for (const auto& [name, value] : kept)
        CHECK_MESSAGE(std::memcmp(value.raw(), again.at(name).raw(), size_t(value.bytes())) == 0, name);
    }
  }
}

TEST_CASE("random networks give the same bits on one and on eight threads") {
  for (uint64_t seed = 1000; seed < 1050; ++seed) {
    CAPTURE(seed);
    const Network net = Generator(seed).make();
    PlanOptions one, many;
    many.threads = 8;
    const auto a = run(net, one), b = run(net, many);
    for (const auto& [name, value] : a)
      CHECK_MESSAGE(std::memcmp(value.raw(), b.at(name).raw(), size_t(value.bytes())) == 0, name);
  }
}
