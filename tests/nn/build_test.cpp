#include <doctest/doctest.h>

#include "base/str.h"
#include "configs.h"
#include "nn/model.h"
#include "nn/summary.h"

using namespace dl;

static Model build(const char* text, const BuildOptions& options = {}) {
  return build_model(json::parse(text), options);
}

static std::string error(const char* text, const BuildOptions& options = {}) {
  try {
    build(text, options);
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    return e.pointer + ": " + e.what() + (e.hint.empty() ? "" : " | " + e.hint);
  }
  return "no error";
}

TEST_CASE("a stack of dense layers: names, shapes, parameters and flags") {
  const Model m = build(
      R"({"name": "m", "inputs": {"x": [2, 3]}, "layers": ["flatten", {"type": "dense", "units": 5, "lr_scale": 0.5},
    "relu", {"type": "dense", "units": 4, "bias": false, "freeze": true, "init": "zero"}], "outputs": {"y": "dense_2"}})",
      {.batch = 7});
  REQUIRE(m.parameters.size() == 3);
  CHECK(m.parameters[0].name == "dense_1.weight");
  CHECK(m.graph.type(m.parameters[0].value).text() == "f32[5,6]");
  CHECK(m.parameters[0].decay);
  CHECK(m.parameters[0].init.type == "he_uniform");
  CHECK(m.parameters[0].lr_scale == 0.5);
  CHECK(m.parameters[1].name == "dense_1.bias");
  CHECK_FALSE(m.parameters[1].decay);
  CHECK(m.parameters[1].init.type == "zero");
  CHECK(m.parameters[2].frozen);
  CHECK(m.parameters[2].init.type == "zero");
  CHECK(m.graph.type(m.graph.output("y")).text() == "f32[7,4]");
  CHECK(m.graph.find("x") != kNone);
  CHECK(m.find_parameter("dense_2.weight") == &m.parameters[2]);
  CHECK(m.layers[1].parameters == 35);
  CHECK(m.layers[1].multiply_adds == 30);
  CHECK(initial_values(m, 1).size() == 3);
  const Summary s = summarize(m);
  CHECK(s.parameters == 55);
  CHECK(s.trainable == 35);
}

TEST_CASE("shape and name of a single input come from the data set") {
  const InputInfo data{"features", {DType::f32, {13}}};
  const Model m = build(R"({"layers": [{"type": "dense", "units": "$classes"}]})",
                        {.batch = 2, .inputs = {data}, .classes = 3});
  CHECK(m.graph.type(m.graph.find("features")).text() == "f32[2,13]");
  CHECK(m.graph.type(m.graph.output("output")).text() == "f32[2,3]");
  const char* named =
      R"({"inputs": {"x": null}, "layers": [{"type": "dense", "units": 3, "inputs": ["x"]}]})";
  CHECK(build(named, {.inputs = {data}}).graph.find("features") != kNone);
  CHECK(error(R"({"inputs": {"x": [12]}, "layers": ["relu"]})", {.inputs = {data}}) ==
        "/model/inputs/x: the model expects 'x' of shape [12], the data set has [13] | null takes the shape "
        "from the data set");
  CHECK(error(R"({"inputs": {"x": [13], "z": [13]}, "layers": [{"type": "relu", "inputs": ["x"]}]})",
              {.inputs = {data}}) == "/model/inputs/x: the data set has no input 'x', it has features");
}

TEST_CASE("mistakes in layers name the layer, the key and the way through the blocks") {
  struct Row {
    const char *layers, *message;  // how the message begins
  };
  const Row rows[] = {
      {R"("rellu")", "/model/layers/0: layer 'rellu_1': unknown layer type 'rellu' | did you mean relu"},
      {R"({"type": "dense", "unit": 3})",
       "/model/layers/0/unit: layer 'dense_1': unknown key 'unit' | did you mean units"},
      {R"({"type": "dense", "units": 3, "freze": true})",
       "/model/layers/0/freze: layer 'dense_1': unknown key 'freze' | did you mean freeze"},
      {R"({"type": "leaky_relu", "slop": 3})",
       "/model/layers/0/slop: layer 'leaky_relu_1': unknown key 'slop' | did you mean slope"},
      {R"("dense")", "/model/layers/0: layer 'dense_1': 'units' is missing"},
      {R"({"type": "dense", "units": "4 * width"})",
       "/model/layers/0/units: layer 'dense_1': expected integer, got string"},
      {R"({"type": "dense", "units": 0})", "/model/layers/0/units: layer 'dense_1': 0 is out of range"},
      {R"({"type": "dense", "units": 2, "init": "he"})",
       "/model/layers/0/init: layer 'dense_1': unknown initializer 'he' | did you mean he_"},
      {R"({"type": "dense", "units": 2, "lr_scale": -1})",
       "/model/layers/0/lr_scale: layer 'dense_1': -1 is out of range"},
      {R"({"type": "dense", "units": 2, "freeze": 1})",
       "/model/layers/0/freeze: layer 'dense_1': expected boolean"},
      {R"("add")",
       "/model/layers/0: layer 'add_1': add takes 2 or more inputs, got 1 | name them: \"inputs\": [\"...\", "
       "\"...\"]"},
      {R"({"type": "relu", "inputs": ["x", "x"]})",
       "/model/layers/0/inputs: layer 'relu_1': relu takes 1 input, got 2"},
      {R"("relu", {"use": "b"})",
       "/model/blocks/b/layers/0/units: layer 'b_1.dense_1': -1 is out of range, expected between 1 and "
       "1e+09 (block 'b' used at "
       "/model/layers/1)"},
      {R"({"type": "dense", "units": 1000000000}, {"type": "dense", "units": 1000000000})",
       "/model/layers/1: layer 'dense_2': its weight f32[1000000000,1000000000] is too large"},
      {R"({"type": "reshape", "shape": [3, -1]})",
       "/model/layers/0: layer 'reshape_1': reshape: cannot divide"},
      {R"({"type": "reshape", "shape": [1, 1, 1, 1, 1, 4]})",
       "/model/layers/0/shape: layer 'reshape_1': has 6 extents, at most 5"},
      {R"({"type": "conv2d", "filters": 2, "kernel": 3})",
       "/model/layers/0: layer 'conv2d_1': conv2d takes images (channels, height, width), got (4) from 'x'"},
      {R"("global_avg_pool2d")",
       "/model/layers/0: layer 'global_avg_pool2d_1': global_avg_pool2d takes images"},
      {R"("relu_grad")", "/model/layers/0: layer 'relu_grad_1': unknown layer type 'relu_grad'"},
  };
  for (const Row& r : rows) {
    const std::string config = str(
        R"({"inputs": {"x": [4]}, "blocks": {"b": {"layers": [{"type": "dense", "units": -1}]}}, "layers": [)",
        r.layers, "]}");
    const std::string got = error(config.c_str());
    CHECK(got.substr(0, std::string(r.message).size()) == r.message);
  }
  CHECK(error(R"({"inputs": {"x": [1, 4, 4]}, "layers": [{"type": "dense", "units": 2}]})") ==
        "/model/layers/0: layer 'dense_1': dense takes features, got (1, 4, 4) from 'x' | put \"flatten\" or "
        "\"global_avg_pool2d\" before it");
}

TEST_CASE("mistakes in inputs point at them") {
  CHECK(error(R"({"inputs": {"x": null}, "layers": ["relu"]})") ==
        "/model/inputs/x: the shape of input 'x' is not known without data | give it in the model: "
        "\"inputs\": {\"image\": [1, 28, 28]}");
  CHECK(error(R"({"inputs": {"x": {"shape": [3], "dtyp": "u8"}}, "layers": ["relu"]})") ==
        "/model/inputs/x/dtyp: unknown key 'dtyp' | did you mean dtype?");
  CHECK(error(R"({"inputs": {"x": {"shape": [3], "dtype": "f16"}}, "layers": ["relu"]})") ==
        "/model/inputs/x/dtype: unknown element type, expected f32, f64, i32, i64 or u8");
  CHECK(error(R"({"inputs": {"x": [3, 0]}, "layers": ["relu"]})") ==
        "/model/inputs/x/1: 0 is out of range, expected between 1 and 1e+09");
  CHECK(error(R"({"inputs": {"x": [1000000000, 1000000000]}, "layers": ["relu"]})") ==
        "/model/inputs/x: input 'x' is too large: f32[1,1000000000,1000000000]");
}

TEST_CASE("check_model finds mistakes in layers without data, and expanded_model writes blocks out") {
  const json good = shipped_model("mlp.json")["model"];
  check_model(good, "/model");
  CHECK(expanded_model(good, "/model")["layers"].back()["units"] == "$classes");
  json bad = good;
  bad["blocks"]["hidden"]["layers"][0]["unit"] = 3;
  try {
    check_model(bad, "/model");
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.pointer == "/model/blocks/hidden/layers/0/unit");
    CHECK(std::string(e.what()) ==
          "layer 'hidden_1.dense_1': unknown key 'unit' (block 'hidden' used at /model/layers/1)");
  }
}

TEST_CASE("the schema names every layer type with its attributes") {
  const json schema = model_schema();
  const json& any = schema["properties"]["layers"]["items"]["anyOf"];
  const auto has = [&](const char* type, const char* key) {
    for (const json& one : any)
      if (one.contains("properties") && one["properties"].contains("type") &&
          one["properties"]["type"].value("const", "") == type)
        return one["properties"].contains(key);
    return false;
  };
  CHECK(has("conv2d", "filters"));
  CHECK(has("conv2d", "freeze"));
  CHECK(has("leaky_relu", "slope"));
  CHECK_FALSE(has("relu", "slope"));
  CHECK(schema["properties"]["blocks"]["additionalProperties"]["properties"].contains("layers"));
}
