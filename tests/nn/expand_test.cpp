#include "nn/expand.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "configs.h"

using namespace dl;

static Expanded expand(const char* text, const json& given = json::object()) {
  return expand_model(json::parse(text), given);
}

static std::string names_and_inputs(const Expanded& m) {
  std::string out;
  for (const ExpandedLayer& l : m.layers) {
    out += l.name + "(";
    for (size_t i = 0; i < l.inputs.size(); ++i) out += (i ? "," : "") + l.inputs[i];
    out += ") ";
  }
  return out;
}

static std::string error(const char* text) {
  try {
    expand(text);
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    return e.pointer + ": " + e.what() + (e.hint.empty() ? "" : " | " + e.hint);
  }
  return "no error";
}

TEST_CASE("layers follow one another and are named by type and position") {
  const Expanded m = expand(R"({"name": "m", "inputs": {"image": [1, 28, 28]}, "layers": [
    {"type": "conv2d", "filters": "2 * 3", "kernel": [5, 5]}, "tanh", {"type": "conv2d", "name": "last", "_note": 1}]})");
  CHECK(m.name == "m");
  CHECK(names_and_inputs(m) == "conv2d_1(image) tanh_1(conv2d_1) last(tanh_1) ");
  CHECK(m.layers[0].attributes == json::parse(R"({"filters": 6, "kernel": [5, 5]})"));
  CHECK(m.layers[2].attributes.empty());
  CHECK(m.layers[1].pointer == "/model/layers/1");
  CHECK(m.inputs[0].shape == json::array({1, 28, 28}));
  CHECK(m.outputs[0].name == "output");
  CHECK(m.outputs[0].layer == "last");
}

TEST_CASE("blocks take parameters, their input and the count of a repetition") {
  const Expanded m = expand(R"({
    "parameters": {"width": 8, "units": "$classes"}, "inputs": {"x": [4]},
    "blocks": {
      "one": {"parameters": {"n": null, "from": "$in"}, "layers": [{"type": "dense", "units": "$n", "inputs": ["$from"]}, "relu"]},
      "two": {"parameters": {"n": null}, "layers": [
        {"use": "one", "n": "$n * $width", "name": "left"},
        {"use": "one", "n": "$index", "from": "$in", "name": "right"},
        {"type": "add", "inputs": ["left", "right"]}]}},
    "layers": [{"use": "two", "n": "$index + 1", "repeat": 2, "freeze": true}, {"type": "dense", "units": "$units"}]})",
                            {{"classes", 10}});
  CHECK(names_and_inputs(m) ==
        "two_1.left.dense_1(x) two_1.left.relu_1(two_1.left.dense_1) two_1.right.dense_1(x) "
        "two_1.right.relu_1(two_1.right.dense_1) two_1.add_1(two_1.left.relu_1,two_1.right.relu_1) "
        "two_2.left.dense_1(two_1.add_1) two_2.left.relu_1(two_2.left.dense_1) "
        "two_2.right.dense_1(two_1.add_1) "
        "two_2.right.relu_1(two_2.right.dense_1) two_2.add_1(two_2.left.relu_1,two_2.right.relu_1) "
        "dense_1(two_2.add_1) ");
  CHECK(m.layers[0].attributes["units"] == 8);
  CHECK(m.layers[5].attributes["units"] == 16);
  CHECK(m.layers[7].attributes["units"] == 1);
  CHECK(m.layers.back().attributes["units"] == 10);
  CHECK(m.layers[0].common.at("freeze").value == true);
  CHECK(m.layers[0].common.at("freeze").pointer == "/model/layers/0/freeze");
  CHECK(m.layers.back().common.empty());
  CHECK(m.layers[5].pointer == "/model/blocks/one/layers/0");
  CHECK(describe_uses(m.layers[5]) ==
        " (block 'one' used at /model/blocks/two/layers/0, block 'two' used at /model/layers/0)");
}

TEST_CASE("a name given to a block is looked up where it was written") {
  const Expanded m = expand(R"({"inputs": {"x": [4]},
    "blocks": {"b": {"parameters": {"from": null}, "layers": [
      {"type": "tanh", "name": "a"}, {"type": "add", "inputs": ["a", "$from", ".a"]}]}},
    "layers": [{"type": "relu", "name": "a"}, {"use": "b", "from": "a"}, {"type": "sub", "inputs": ["b_1", "b_1.a"]}]})");
  CHECK(names_and_inputs(m) == "a(x) b_1.a(a) b_1.add_1(b_1.a,a,a) sub_1(b_1.add_1,b_1.a) ");
}

TEST_CASE("a bare string may be a parameter that holds a layer") {
  const Expanded m = expand(
      R"({"inputs": {"x": [4]}, "parameters": {"act": {"type": "leaky_relu", "alpha": 0.2}, "last": "tanh"},
    "layers": ["$act", "$last", {"type": "$last"}]})");
  CHECK(names_and_inputs(m) == "leaky_relu_1(x) tanh_1(leaky_relu_1) tanh_2(tanh_1) ");
  CHECK(m.layers[0].attributes["alpha"] == 0.2);
}

TEST_CASE("if leaves layers out, repeat numbers names, several inputs and outputs go by name") {
  const Expanded m = expand(R"({"inputs": {"a": [4], "b": [4]}, "layers": [
    {"type": "dense", "name": "d", "inputs": ["a"], "repeat": 2}, {"type": "relu", "if": "1 > 2"},
    {"type": "dense", "inputs": "b", "repeat": 0}, {"type": "concat", "inputs": ["d_2", "b"]}],
    "outputs": {"first": "d_1", "all": "concat_1"}})");
  CHECK(names_and_inputs(m) == "d_1(a) d_2(a) concat_1(d_2,b) ");
  CHECK(m.outputs[0].layer == "d_1");
  CHECK(m.outputs[1].name == "all");
}

TEST_CASE("init, bias_init, freeze and lr_scale of the nearest place count") {
  const Expanded m = expand(
      R"({"inputs": {"x": [4]}, "init": "zero", "blocks": {"b": {"layers": ["relu", {"type": "dense", "init": "normal"}]}},
    "layers": ["tanh", {"use": "b", "init": "xavier_uniform", "lr_scale": "1 / 2"}]})");
  CHECK(m.layers[0].common.at("init").value == "zero");
  CHECK(m.layers[1].common.at("init").value == "xavier_uniform");
  CHECK(m.layers[1].common.at("lr_scale").value == 0.5);
  CHECK(m.layers[2].common.at("init").value == "normal");
  CHECK(m.layers[2].common.at("init").pointer == "/model/blocks/b/layers/1/init");
}

TEST_CASE("every mistake in the model section points at its place") {
  CHECK(error("[]").starts_with("/model: expected an object"));
  CHECK(error("{}").starts_with("/model: 'layers' is missing"));
  CHECK(error(R"({"layer": []})") == "/model/layer: unknown key 'layer' | did you mean layers?");
  CHECK(error(R"({"layers": ["relu"]})").starts_with("/model: 'inputs' is missing | a data set gives them"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": []})") == "/model/layers: the model has no layers");
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [3]})")
            .starts_with("/model/layers/0: expected the name of a layer or an object"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"units": 3}]})")
            .starts_with("/model/layers/0: a layer needs 'type'"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "a", "use": "b"}]})")
            .starts_with("/model/layers/0: a layer has either"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "dense", "units": "4 * $w"}]})")
            .starts_with("/model/layers/0/units: unknown parameter '$w', at column 5"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "add", "inputs": ["x", "y1"]}]})") ==
        "/model/layers/0/inputs/1: there is no layer or input 'y1' before this one | did you mean x?");
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "add", "inputs": []}]})")
            .starts_with("/model/layers/0/inputs: 'inputs' is empty"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "add", "inputs": [1]}]})")
            .starts_with("/model/layers/0/inputs/0: expected the name"));
  CHECK(error(R"({"inputs": {"x": [1], "y": [1]}, "layers": ["relu"]})") ==
        "/model/layers/0: the model has 2 inputs: the first layer must say which it takes | add \"inputs\": "
        "[\"x\"] or [\"y\"]");
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "relu", "name": "x"}]})") ==
        "/model/layers/0/name: the name 'x' is taken");
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "relu", "name": "a b"}]})")
            .starts_with("/model/layers/0/name: 'a b' cannot be"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "relu", "repeat": -1}]})")
            .starts_with("/model/layers/0/repeat: a layer cannot"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "relu", "repeat": "x"}]})")
            .starts_with("/model/layers/0/repeat: expected integer"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "relu", "if": "x"}]})")
            .starts_with("/model/layers/0/if: expected true or false"));
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": ["relu"], "outputs": {"y": "rely_1"}})") ==
        "/model/outputs/y: there is no layer or input 'rely_1' before this one | did you mean relu_1?");
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": ["relu"], "parameters": {"n": null}})") ==
        "/model/parameters/n: parameter 'n' has no value");
}

TEST_CASE("mistakes in blocks name the place in the block and where it is used") {
  const std::string head =
      R"({"inputs": {"x": [1]}, "blocks": {"b": {"parameters": {"n": null, "m": 1}, "layers": [)";
  const auto with = [&](const char* layer, const char* use) {
    return error((head + layer + "]}}, \"layers\": [" + use + "]}").c_str());
  };
  CHECK(with("\"relu\"", R"({"use": "c"})") ==
        "/model/layers/0/use: there is no block 'c' | did you mean b?");
  CHECK(with("\"relu\"", R"({"use": "b"})") == "/model/layers/0: 'n' is missing, block 'b' requires it");
  CHECK(with("\"relu\"", R"({"use": "b", "n": 1, "unts": 2})")
            .starts_with("/model/layers/0/unts: unknown key 'unts'"));
  CHECK(with("\"relu\"", R"({"use": "b", "n": 1, "inputs": ["x", "x"]})")
            .starts_with("/model/layers/0/inputs: a block has one input, got 2"));
  CHECK(with(R"({"type": "dense", "units": "$capacity"})", R"({"use": "b", "n": 1})") ==
        "/model/blocks/b/layers/0/units: unknown parameter '$capacity', at column 1 of \"$capacity\" (block "
        "'b' used at "
        "/model/layers/0) | "
        "known here: $in, $index, $n, $m");
  CHECK(with(R"({"type": "add", "inputs": ["b_1", "x"]})", R"({"use": "b", "n": 1})")
            .starts_with("/model/blocks/b/layers/0/inputs/0: there is no layer or input 'b_1' before this "
                         "one (block 'b' used"));
  CHECK(error(R"({"inputs": {"x": [1]}, "blocks": {"b": {"layer": []}}, "layers": ["relu"]})") ==
        "/model/blocks/b/layer: unknown key 'layer' | did you mean layers?");
  CHECK(error(R"({"inputs": {"x": [1]}, "blocks": {"b": {}}, "layers": ["relu"]})")
            .starts_with("/model/blocks/b: 'layers' is missing"));
}

TEST_CASE("runaway models are errors, not hangs") {
  CHECK(error(R"({"inputs": {"x": [1]}, "layers": [{"type": "relu", "repeat": 100001}]})")
            .find("more than 100,000 layers") != std::string::npos);
  CHECK(
      error(
          R"({"inputs": {"x": [1]}, "blocks": {"b": {"layers": [{"use": "b"}]}}, "layers": [{"use": "b"}]})")
          .find("'b' uses itself") != std::string::npos);
  CHECK(
      error(
          R"({"inputs": {"x": [1]}, "blocks": {"b": {"layers": []}}, "layers": [{"use": "b", "repeat": 1000000000000}]})")
          .find("expands to more than") != std::string::npos);
  CHECK(
      error(
          R"({"inputs": {"x": [1]}, "blocks": {"b": {"layers": [{"use": "c"}, {"use": "c"}, {"use": "c"}]}, "c": {"layers": [{"use": "b"}]}},
    "layers": [{"use": "b"}]})")
          .find("uses itself") != std::string::npos);
  std::string laughs = R"({"inputs": {"x": [1]}, "parameters": {"p0": [1, 2])";
  for (int i = 1; i < 40; ++i)
    laughs += ", \"p" + std::to_string(i) + "\": [\"$p" + std::to_string(i - 1) + "\", \"$p" +
              std::to_string(i - 1) + "\"]";
  CHECK(error((laughs + R"(}, "layers": ["relu"]})").c_str()).find("expands to more than 5,000,000 values") !=
        std::string::npos);
}

TEST_CASE("the written-out model expands to the same layers") {
  const Expanded a = expand_model(shipped_model("resnet20.json")["model"]);
  const json text = dump_expanded(a);
  const Expanded b = expand_model(text);
  CHECK(names_and_inputs(a) == names_and_inputs(b));
  json again = dump_expanded(b);
  for (size_t i = 0; i < a.layers.size(); ++i) CHECK(a.layers[i].attributes == b.layers[i].attributes);
  CHECK(text["layers"][0]["x-from"] == "/model/blocks/conv_bn/layers/0");
  CHECK(text["layers"][0]["x-blocks"][0] == "conv_bn at /model/layers/0");
}

TEST_CASE("ResNet-50 and ResNet-152 expand from the same page") {
  const Expanded r50 = expand_model(shipped_model("resnet50.json")["model"]);
  const auto convolutions = [](const Expanded& m) {
    return std::count_if(m.layers.begin(), m.layers.end(),
                         [](const ExpandedLayer& l) { return l.type == "conv2d"; });
  };
  CHECK(convolutions(r50) == 53);
  CHECK(convolutions(expand_model(shipped_model("resnet152.json")["model"])) == 155);
  const auto it = std::find_if(r50.layers.begin(), r50.layers.end(),
                               [](const ExpandedLayer& l) { return l.name == "stage_2.bottleneck_1.add_1"; });
  REQUIRE(it != r50.layers.end());
  CHECK(it->inputs == std::vector<std::string>{"stage_2.bottleneck_1.residual.batch_norm_1",
                                               "stage_2.bottleneck_1.shortcut.batch_norm_1"});
}

TEST_CASE("the written-out form of a shipped config") {
  const json out =
      dump_expanded(expand_model(shipped_model("mlp.json")["model"], {{"classes", 10}}, {"image"}));
  std::string layers = "\n";
  for (const json& layer : out["layers"]) layers += layer.dump() + "\n";
  CHECK(layers == R"(
{"type":"flatten","name":"flatten_1","inputs":["image"],"x-from":"/model/layers/0"}
{"type":"dense","name":"hidden_1.dense_1","inputs":["flatten_1"],"units":256,"x-from":"/model/blocks/hidden/layers/0","x-blocks":["hidden at /model/layers/1"]}
{"type":"relu","name":"hidden_1.relu_1","inputs":["hidden_1.dense_1"],"x-from":"/model/blocks/hidden/layers/1","x-blocks":["hidden at /model/layers/1"]}
{"type":"dropout","name":"hidden_1.dropout_1","inputs":["hidden_1.relu_1"],"rate":0.2,"x-from":"/model/blocks/hidden/layers/2","x-blocks":["hidden at /model/layers/1"]}
{"type":"dense","name":"hidden_2.dense_1","inputs":["hidden_1.dropout_1"],"units":256,"x-from":"/model/blocks/hidden/layers/0","x-blocks":["hidden at /model/layers/1"]}
{"type":"relu","name":"hidden_2.relu_1","inputs":["hidden_2.dense_1"],"x-from":"/model/blocks/hidden/layers/1","x-blocks":["hidden at /model/layers/1"]}
{"type":"dropout","name":"hidden_2.dropout_1","inputs":["hidden_2.relu_1"],"rate":0.2,"x-from":"/model/blocks/hidden/layers/2","x-blocks":["hidden at /model/layers/1"]}
{"type":"dense","name":"logits","inputs":["hidden_2.dropout_1"],"units":10,"x-from":"/model/layers/2"}
)");
  CHECK(out["outputs"].dump() == R"({"class":"logits"})");
}
