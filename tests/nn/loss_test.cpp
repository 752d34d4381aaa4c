#include "nn/loss.h"

#include <doctest/doctest.h>

#include "base/str.h"

using namespace dl;

static const TargetInfo kClass{"label", {DType::i32, {}}, 3, {10, 30, 20}};
static const TargetInfo kBinary{"label", {DType::i32, {}}, 2};
static const TargetInfo kNumber{"price", {DType::f32, {}}};
static const TargetInfo kBox{"box", {DType::f32, {4}}};

struct Built {
  Model model;
  std::vector<LossTerm> terms;
};

// A model of one dense layer of `units`, or of two outputs "label" and "box".
static Built add(const json& losses, int64_t units, std::vector<TargetInfo> targets, bool two = false) {
  json model{{"inputs", {{"x", {5}}}},
             {"layers", {{{"type", "dense"}, {"units", units}, {"inputs", {"x"}}}}}};
  if (two) {
    model["layers"].push_back({{"type", "dense"}, {"units", 4}, {"inputs", {"x"}}});
    model["outputs"] = {{"label", "dense_1"}, {"box", "dense_2"}};
  }
  Built b{build_model(model, {.batch = 8}), {}};
  Losses parsed;
  FieldType<Losses>::parse(parsed, losses, "/train/loss", {});
  b.terms = add_losses(b.model, parsed, targets);
  return b;
}

static std::string error(const json& losses, int64_t units, std::vector<TargetInfo> targets,
                         bool two = false) {
  try {
    add(losses, units, std::move(targets), two);
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    return e.pointer + ": " + e.what() + (e.hint.empty() ? "" : " | " + e.hint);
  }
  return "no error";
}

static std::string ops(const Model& m) {
  std::string s;
  for (const Node& n : m.graph.nodes) s += std::string(n.op->name) + ' ';
  return s;
}

TEST_CASE("cross entropy of one output takes the only target, whatever their names") {
  const Built b = add({{"type", "cross_entropy"}, {"label_smoothing", 0.1}}, 3, {kClass});
  CHECK(ops(b.model) == "affine cross_entropy ");
  CHECK(b.model.graph.type(b.model.graph.find("label")).text() == "i32[8]");
  CHECK(b.model.graph.type(b.model.graph.output("loss")).text() == "f32[]");
  CHECK(b.terms[0].output == "output");
  CHECK(b.terms[0].target == "label");
}

TEST_CASE("without a loss in the config the target decides") {
  CHECK(add(nullptr, 3, {kClass}).terms[0].type == "cross_entropy");
  CHECK(add(nullptr, 1, {kNumber}).terms[0].type == "mse");
  CHECK(add(nullptr, 3, {kClass, kBox}, true).terms[1].type == "mse");
}

TEST_CASE("class weights are a list, or balanced: mean 1 over the samples") {
  const auto weights = [](const json& w) {
    const Built b = add({{"type", "cross_entropy"}, {"class_weights", w}}, 3, {kClass});
    const Tensor& t = b.model.graph.constants.at(b.model.graph.find("output.class_weights"));
    return std::vector<float>(t.data<float>().begin(), t.data<float>().end());
  };
  CHECK(weights({1, 2, 0.5}) == std::vector<float>{1, 2, 0.5});
  CHECK(weights("balanced") == std::vector<float>{2, 2.f / 3, 1});
}

TEST_CASE("several losses are summed with their weights") {
  const Built b = add(
      {{"label", {{"type", "cross_entropy"}, {"weight", 0.5}}}, {"box", {{"type", "huber"}, {"delta", 2}}}},
      3, {kClass, kBox}, true);
  CHECK(ops(b.model) == "affine affine cross_entropy huber scale_shift add ");
  CHECK(b.terms[0].weight == 0.5);
  CHECK(b.terms[1].output == "box");
  CHECK(b.model.graph.output("loss") != b.terms[0].value);
}

TEST_CASE("targets take the shape and type of the output where the elements agree") {
  CHECK(ops(add("mse", 1, {kNumber}).model) == "affine reshape mse ");
  CHECK(ops(add("l1", 4, {kBox}).model) == "affine l1 ");
  CHECK(ops(add("bce_with_logits", 1, {kBinary}).model) == "affine cast reshape bce_with_logits ");
}

TEST_CASE("mistakes in losses point at their place") {
  CHECK(error("crossentropy", 3, {kClass}) ==
        "/train/loss: unknown loss 'crossentropy' | did you mean cross_entropy?");
  CHECK(error({{"type", "huber"}, {"delat", 1}}, 1, {kNumber})
            .starts_with("/train/loss/delat: unknown key 'delat' | did you mean delta"));
  CHECK(error("cross_entropy", 5, {kClass}) ==
        "/train/loss: output 'output' gives 5 values, the data set has 3 classes | \"units\": \"$classes\" "
        "takes their number from the data set");
  CHECK(error("cross_entropy", 1, {kNumber})
            .starts_with("/train/loss: cross_entropy needs class labels, target 'price' holds numbers"));
  CHECK(
      error("mse", 3, {kClass}).starts_with("/train/loss: mse needs numbers, target 'label' has 3 classes"));
  CHECK(error("mse", 3, {kNumber})
            .starts_with("/train/loss: output 'output' has shape [8,3], target 'price' [8]"));
  CHECK(error("mse", 3, {}).starts_with("/train/loss: the data set has no targets"));
  CHECK(error({{"type", "cross_entropy"}, {"class_weights", {1, 2}}}, 3, {kClass}) ==
        "/train/loss/class_weights: has 2 weights, the data set has 3 classes");
  CHECK(error({{"type", "cross_entropy"}, {"class_weights", "even"}}, 3, {kClass})
            .starts_with("/train/loss/class_weights: 'even' is not known"));
  CHECK(error({{"type", "cross_entropy"}, {"class_weights", "balanced"}}, 2, {kBinary})
            .starts_with("/train/loss/class_weights: how often"));
  CHECK(error("mse", 3, {kClass, kBox}, true) ==
        "/train/loss: the model has 2 outputs, give a loss for each | outputs: label, box");
  CHECK(error({{"boxx", "mse"}}, 3, {kClass, kBox}, true) ==
        "/train/loss/boxx: the model has no output 'boxx' | outputs: label, box");
  CHECK(error({{"box", "mse"}}, 3, {kClass, kNumber}, true)
            .starts_with(
                "/train/loss/box: the data set has no target for output 'box' | targets: label, price"));
  CHECK(error(3, 3, {kClass}).starts_with("/train/loss: expected the name of a loss"));
}
