#include "graph/graph.h"

#include <doctest/doctest.h>

#include "ops/registry.h"

using namespace dl;

static Graph two_relus() {
  Graph g;
  g.name = "two";
  const ValueId x = g.add_leaf(ValueKind::input, "x", {DType::f32, {3, 4}});
  const ValueId h = g.add(op::relu, {x}, {}, "relu_1", "/model/layers/0");
  g.outputs.push_back({"y", g.add(op::relu, {h}, {}, "relu_2", "/model/layers/1")});
  return g;
}

TEST_CASE("the text form names leaves, nodes, layers, origins and outputs") {
  CHECK(print(two_relus()) ==
        "graph two\n"
        "%0 = input x : f32[3,4]\n"
        "%1 = relu(%0) : f32[3,4] ; relu_1 @/model/layers/0\n"
        "%2 = relu(%1) : f32[3,4] ; relu_2 @/model/layers/1\n"
        "output y %2\n");
}

TEST_CASE("printing what was parsed gives the same text") {
  const std::string text = print(two_relus());
  const Graph g = parse_graph(text, find_op);
  CHECK_NOTHROW(verify(g));
  CHECK(print(g) == text);
}

TEST_CASE("broken text is refused with its line") {
  const auto message = [](std::string_view text) -> std::string {
    try {
      parse_graph(text, find_op);
    } catch (const Error& e) { return e.what(); }
    return "accepted";
  };
  CHECK(message("graph g\n%0 = input x : f99[3]") == "graph text, line 2: unknown element type 'f99'");
  CHECK(message("%0 = input x : f32[3]\n%1 = input x : f32[3]") ==
        "graph text, line 2: there is a leaf named 'x' already");
  CHECK(message("%0 = relu(_) : f32[1]") == "graph text, line 1: relu: takes x, input 0 is missing");
  CHECK(message("%1 = relu(%0) : f32[1]") == "graph text, line 1: a value is used before it is defined");
  CHECK(message("%0 = input x : f32[3]\n%1 = relu(%0) : f32[4]") ==
        "graph text, line 2: type is f32[4], inferred f32[3]");
  CHECK(message("%0 = input x : f32[3]\n%1 = rleu(%0) : f32[3]") ==
        "graph text, line 2: unknown operator 'rleu'");
  CHECK(message("%0 = input x : f32[3]\n%1 = relu(%0) {\"slop\":1} : f32[3]") ==
        "graph text, line 2: unknown key 'slop'");
  CHECK(message("%0 = input x : f32[1,2,3,4,5,6,7]") == "graph text, line 1: more than 6 extents");
}

TEST_CASE("the verifier finds each kind of damage") {
  Graph g = two_relus();
  CHECK_NOTHROW(verify(g));
  Graph order = g;
  std::swap(order.nodes[0], order.nodes[1]);
  CHECK_THROWS_AS(verify(order), Error);
  Graph type = g;
  type.values[2].type.shape = {3, 5};
  CHECK_THROWS_AS(verify(type), Error);
  Graph dangling = g;
  dangling.outputs[0].value = 17;
  CHECK_THROWS_AS(verify(dangling), Error);
  Graph twice = g;
  twice.add_leaf(ValueKind::input, "x", {DType::f32, {1}});
  CHECK_THROWS_AS(verify(twice), Error);
  Graph update = g;
  update.updates.push_back({0, 2});
  CHECK_THROWS_AS(verify(update), Error);
}

TEST_CASE("a wrong number of inputs names the layer") {
  Graph g = two_relus();
  CHECK_THROWS_WITH(g.add(op::relu_grad, {0}, {}, "r"), "layer 'r': relu_grad: takes y dy, got 1 inputs");
}
