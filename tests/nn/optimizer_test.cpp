#include "nn/optimizer.h"

#include <doctest/doctest.h>

#include "base/str.h"
#include "graph/graph.h"

using namespace dl;

static Optimizer parse(const json& j) {
  Optimizer o;
  FieldType<Optimizer>::parse(o, j, "/train/optimizer", {});
  return o;
}

// Two dense layers, the first one frozen or not; every parameter is its own gradient, which has the right type.
static Model with(const json& optimizer, bool freeze = false) {
  Model m = build_model({{"inputs", {{"x", {5}}}},
                         {"layers",
                          {{{"type", "dense"}, {"units", 4}, {"freeze", freeze}},
                           {{"type", "dense"}, {"units", 2}, {"lr_scale", 0.5}}}}},
                        {});
  const std::vector<ValueId> values = trainable(m);
  add_optimizer(m, parse(optimizer), values);
  return m;
}

static std::vector<const Node*> updates(const Model& m) {
  std::vector<const Node*> found;
  for (const Node& n : m.graph.nodes)
    if (n.phase == Phase::update && n.op->name != "global_norm_scale") found.push_back(&n);
  return found;
}

static json attrs(const Node& n) { return n.op->attrs->dump(n.attrs.get()); }

static std::string states(const Model& m) {
  std::string s;
  for (const StateLeaf& l : m.states) s += l.name + ' ';
  return s;
}

TEST_CASE("each rule has its operator and what it remembers") {
  struct Row {
    json optimizer;
    const char *op, *states;
  };
  const Row rows[] = {
      {"sgd", "sgd", ""},
      {{{"type", "sgd"}, {"momentum", 0.9}, {"nesterov", true}},
       "momentum",
       "dense_2.weight/momentum dense_2.bias/momentum "},
      {"adagrad", "adagrad", "dense_2.weight/sum dense_2.bias/sum "},
      {"rmsprop", "rmsprop", "dense_2.weight/square dense_2.bias/square "},
      {{{"type", "rmsprop"}, {"momentum", 0.5}},
       "rmsprop",
       "dense_2.weight/square dense_2.weight/velocity dense_2.bias/square dense_2.bias/velocity "},
      {"adam", "adam", "dense_2.weight/m dense_2.weight/v dense_2.bias/m dense_2.bias/v "},
      {"adamw", "adam", "dense_2.weight/m dense_2.weight/v dense_2.bias/m dense_2.bias/v "},
  };
  for (const Row& r : rows) {
    CAPTURE(r.optimizer.dump());
    const Model m = with(r.optimizer, true);
    const auto nodes = updates(m);
    REQUIRE(nodes.size() == 2);
    CHECK(nodes[0]->op->name == r.op);
    CHECK(nodes[0]->name == "dense_2.weight");
    CHECK(states(m) == r.states);
    CHECK(m.graph.updates.size() == 2 + m.states.size());
    CHECK(m.graph.updates[0].state == m.graph.find("dense_2.weight"));
    CHECK(m.graph.type(m.graph.find("learning_rate")).text() == "f32[]");
    CHECK((m.graph.find("step") != kNone) == (std::string(r.op) == "adam"));
    verify(m.graph);
  }
}

TEST_CASE("decay is for weights unless told otherwise; lr_scale goes with the parameter") {
  const Model m = with({{"type", "sgd"}, {"weight_decay", 0.1}, {"l1", 0.2}, {"clip_value", 3}});
  const auto nodes = updates(m);
  REQUIRE(nodes.size() == 4);
  CHECK(attrs(*nodes[0])["weight_decay"] == 0.1);
  CHECK(attrs(*nodes[0])["l1"] == 0.2);
  CHECK(attrs(*nodes[1])["weight_decay"] == 0.0);
  CHECK(attrs(*nodes[1])["l1"] == 0.0);
  CHECK(attrs(*nodes[1])["clip_value"] == 3.0);
  CHECK(attrs(*nodes[1])["lr_scale"] == 1.0);
  CHECK(attrs(*nodes[2])["lr_scale"] == 0.5);
  CHECK(attrs(*updates(
            with({{"type", "sgd"}, {"weight_decay", 0.1}, {"decay_all", true}}))[1])["weight_decay"] == 0.1);
  CHECK(attrs(*updates(with("adamw"))[0])["weight_decay"] == 0.01);
  CHECK(attrs(*updates(with("adamw"))[0])["decoupled"] == true);
  CHECK(attrs(*updates(with("adam"))[0])["decoupled"] == false);
}

TEST_CASE("clipping by norm scales every gradient by one factor") {
  const Model m = with({{"type", "rmsprop"}, {"clip_norm", 5}, {"momentum", 0.9}});
  const Node& clip = m.graph.nodes[2];
  CHECK(clip.op->name == "global_norm_scale");
  CHECK(clip.in.size() == 4);
  CHECK(m.graph.output("gradient_norm") == clip.out[1]);
  for (const Node* n : updates(m)) CHECK(std::find(n->in.begin(), n->in.end(), clip.out[0]) != n->in.end());
  verify(m.graph);
}

TEST_CASE("a parameter without a gradient stays as it is") {
  Model m = build_model({{"inputs", {{"x", {5}}}}, {"layers", {{{"type", "dense"}, {"units", 4}}}}}, {});
  const std::vector<ValueId> gradients{trainable(m)[0], kNone};
  add_optimizer(m, parse("sgd"), gradients);
  CHECK(m.graph.updates.size() == 1);
}

TEST_CASE("base rates and mistakes") {
  CHECK(base_lr(parse({{"type", "sgd"}, {"lr", 0.05}})) == 0.05);
  CHECK(base_lr(parse("adam")) == 0.001);
  CHECK(base_lr(Optimizer()) == 0.01);
  const auto error = [](const json& j) -> std::string {
    try {
      parse(j);
    } catch (const Error& e) { return e.pointer + ": " + e.what() + " | " + e.hint; }
    return "no error";
  };
  CHECK(error("agd") == "/train/optimizer: unknown optimizer 'agd' | did you mean sgd?");
  CHECK(error({{"type", "sgd"}, {"momentm", 0.9}})
            .starts_with("/train/optimizer/momentm: unknown key 'momentm' | did you mean momentum"));
  CHECK(error({{"type", "adam"}, {"momentum", 0.9}})
            .starts_with("/train/optimizer/momentum: unknown key 'momentum'"));
  CHECK(error({{"type", "adam"}, {"lr", -1}}).starts_with("/train/optimizer/lr: -1 is out of range"));
}
