#include "nn/optimizer.h"

#include <doctest/doctest.h>

#include <set>

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
    bool counts = false;
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
      {"adam", "adam", "dense_2.weight/m dense_2.weight/v dense_2.bias/m dense_2.bias/v ", true},
      {"adamw", "adam", "dense_2.weight/m dense_2.weight/v dense_2.bias/m dense_2.bias/v ", true},
      {{{"type", "adam"}, {"amsgrad", true}},
       "adam",
       "dense_2.weight/m dense_2.weight/v dense_2.weight/v_max dense_2.bias/m dense_2.bias/v "
       "dense_2.bias/v_max ",
       true},
      {{{"type", "rmsprop"}, {"centered", true}},
       "rmsprop",
       "dense_2.weight/square dense_2.weight/velocity dense_2.weight/mean dense_2.bias/square "
       "dense_2.bias/velocity "
       "dense_2.bias/mean "},
      {"adadelta", "adadelta",
       "dense_2.weight/square dense_2.weight/delta dense_2.bias/square dense_2.bias/delta "},
      {"rprop", "rprop",
       "dense_2.weight/last_gradient dense_2.weight/size dense_2.bias/last_gradient dense_2.bias/size "},
      {"ftrl", "ftrl", "dense_2.weight/sum dense_2.weight/z dense_2.bias/sum dense_2.bias/z ", true},
      {"adamax", "adamax", "dense_2.weight/m dense_2.weight/u dense_2.bias/m dense_2.bias/u ", true},
      {"nadam", "nadam", "dense_2.weight/m dense_2.weight/v dense_2.bias/m dense_2.bias/v ", true},
      {"radam", "radam", "dense_2.weight/m dense_2.weight/v dense_2.bias/m dense_2.bias/v ", true},
      {"lion", "lion", "dense_2.weight/m dense_2.bias/m "},
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
    CHECK((m.graph.find("step") != kNone) == r.counts);
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

TEST_CASE("lars and lamb move weights as far as their norms allow, biases by the rate alone") {
  const auto names = [](const json& j) {
    std::string all;
    for (const Node* n : updates(with(j, true))) all += std::string(n->op->name) + ' ';
    return all;
  };
  CHECK(names("lars") == "trust_ratio mul momentum momentum ");
  CHECK(names({{"type", "lars"}, {"decay_all", true}}) ==
        "trust_ratio mul momentum trust_ratio mul momentum ");
  CHECK(names("lamb") == "lamb trust_ratio sgd lamb sgd ");
  const Model lars = with({{"type", "lars"}, {"trust", 0.02}, {"weight_decay", 0.1}}, true);
  const auto nodes = updates(lars);
  CHECK(attrs(*nodes[0]) == json{{"coefficient", 0.02}, {"weight_decay", 0.1}});
  CHECK(nodes[1]->in[0] == lars.graph.find("learning_rate"));
  CHECK(attrs(*nodes[2])["rate_inside"] == true);
  CHECK(attrs(*nodes[2])["weight_decay"] == 0.1);
  const Model lamb = with("lamb", true);
  CHECK(attrs(*updates(lamb)[0])["weight_decay"] == 0.01);
  CHECK(attrs(*updates(lamb)[2])["lr_scale"] == 0.5);
  CHECK(lamb.graph.updates[0].next == updates(lamb)[2]->out[0]);
  verify(lars.graph);
  verify(lamb.graph);
}

TEST_CASE("gradient noise is of its own for every parameter, and steps that are left out stay so") {
  const Model m = with({{"type", "sgd"}, {"gradient_noise", 0.3}, {"clip_norm", 1}});
  std::set<int64_t> streams;
  for (const Node* n : updates(m))
    if (n->op->name == "annealed_noise") {
      CHECK(attrs(*n)["variance"] == 0.3);
      CHECK(attrs(*n)["decay"] == 0.55);
      streams.insert(attrs(*n)["stream"].get<int64_t>());
    }
  CHECK(streams.size() == 4);
  verify(m.graph);
}

TEST_CASE("a cycled momentum is an input of the step") {
  for (const char* type : {"sgd", "lars"}) {
    Model m = build_model({{"inputs", {{"x", {5}}}}, {"layers", {{{"type", "dense"}, {"units", 4}}}}}, {});
    const std::vector<ValueId> values = trainable(m);
    add_optimizer(m, parse({{"type", type}, {"momentum", 0.8}}), values, {}, {.cycled_momentum = true});
    CHECK(m.graph.find("momentum") != kNone);
    CHECK(m.graph.nodes.back().in.back() == m.graph.find("momentum"));
    verify(m.graph);
  }
  CHECK(base_momentum(parse({{"type", "sgd"}, {"momentum", 0.8}})) == 0.8);
  CHECK_FALSE(base_momentum(parse("sgd")));
  CHECK_FALSE(base_momentum(parse("adam")));
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
